import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Values that Designer writes for these elements; another one is a slip that no reader of the community notices. */
const known: Readonly<Record<string, readonly string[]>> = {
  ObjectBelonging: ['Adopted'],
  ConfigurationExtensionPurpose: ['AddOn', 'Customization', 'Patch'],
  ConfigurationExtensionCompatibilityMode: ['Version8_3_14', 'Version8_3_17', 'Version8_3_21', 'Version8_3_24'],
  DefaultRunMode: ['ManagedApplication'],
  ScriptVariant: ['Russian', 'English'],
  InterfaceCompatibilityMode: [
    'Version8_2',
    'Version8_2EnableTaxi',
    'Taxi',
    'TaxiEnableVersion8_2',
    'TaxiEnableVersion8_5',
  ],
  ReturnValuesReuse: ['DontUse', 'DuringRequest', 'DuringSession'],
  'v8:AllowedLength': ['Fixed', 'Variable'],
  'v8:DateFractions': ['Date', 'DateTime', 'Time'],
  FillChecking: ['DontCheck', 'ShowError'],
  ChoiceFoldersAndItems: ['Items', 'Folders', 'FoldersAndItems'],
  QuickChoice: ['Auto', 'Use', 'DontUse'],
  CreateOnInput: ['Auto', 'Use', 'DontUse'],
  ChoiceHistoryOnInput: ['Auto', 'DontUse'],
  Indexing: ['DontIndex', 'Index', 'IndexWithAdditionalOrder'],
  FullTextSearch: ['Use', 'DontUse'],
  DataHistory: ['Use', 'DontUse'],
  DataLockControlMode: ['Managed', 'Automatic'],
  EditType: ['InDialog', 'InList', 'BothWays'],
  InformationRegisterPeriodicity: ['Nonperiodical', 'Second', 'Day', 'Month', 'Quarter', 'Year', 'RecorderPosition'],
  WriteMode: ['Independent', 'RecorderSubordinate'],
  Event: ['BeforeWrite', 'OnWrite', 'BeforeDelete', 'Posting', 'UndoPosting', 'Filling'],
};
const booleans = new Set([
  'Global',
  'ClientManagedApplication',
  'Server',
  'ExternalConnection',
  'ClientOrdinaryApplication',
  'ServerCall',
  'Privileged',
  'Use',
  'Predefined',
  'PasswordMode',
  'MultiLine',
  'ExtendedEdit',
  'MarkNegatives',
  'UseStandardCommands',
  'FillFromFillingValue',
  'Master',
  'MainFilter',
  'DenyIncompleteValues',
  'MainFilterOnPeriod',
  'IncludeHelpInContents',
  'EnableTotalsSliceFirst',
  'EnableTotalsSliceLast',
  'UpdateDataHistoryImmediatelyAfterWrite',
  'ExecuteAfterWriteDataHistoryVersionProcessing',
  'KeepMappingToExtendedConfigurationObjectsByIDs',
]);
const types = ['xs:string', 'xs:dateTime', 'xs:boolean', 'xs:decimal'];
const folders: Readonly<Record<string, string>> = {
  Language: 'Languages',
  Role: 'Roles',
  CommonModule: 'CommonModules',
  SessionParameter: 'SessionParameters',
  EventSubscription: 'EventSubscriptions',
  ScheduledJob: 'ScheduledJobs',
  Constant: 'Constants',
  InformationRegister: 'InformationRegisters',
};
/** Kinds of whose objects the platform makes types. */
const generatedTypes: Readonly<Record<string, number>> = { Constant: 3, InformationRegister: 7 };
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const name = /^[\p{L}_][\p{L}\p{N}_]{0,79}$/u;

/** All files of a folder: path → text. */
export function filesIn(folder: string): Map<string, string> {
  return new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [relative(folder, file), readFileSync(file, 'utf8')]),
  );
}

/** What is wrong with an extension in Designer's form that bsl-language-server and mdclasses say nothing of; a sentence each. */
export function xmlFaults(files: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  const seen = new Map<string, string>();
  for (const [path, text] of files) {
    const say = (what: string) => found.push(`${path}: ${what}`);
    if (!text.startsWith('\uFEFF')) say('no byte order mark');
    if (/(^|[^\r])\n/.test(text)) say('a line ends without CR');
    if (!path.endsWith('.xml')) continue;
    const broken = brokenTag(text);
    if (broken !== undefined) say(`the tag ${broken} does not match`);
    if (!/ version="2\.\d+"/.test(text)) say('no version of the format');
    for (const [, attribute, id = ''] of text.matchAll(/ (uuid)="([^"]*)"/g)) unique(path, attribute ?? '', id);
    for (const [, element, id = ''] of text.matchAll(/<xr:(TypeId|ValueId|ObjectId)>([^<]*)</g))
      unique(path, element ?? '', id);
    for (const [, element = '', value = ''] of text.matchAll(/<([\w:]+)(?: [^>]*)?>([^<]*)<\/\1>/g)) {
      const values = known[element];
      if (values !== undefined && !values.includes(value)) say(`${element} is ${value}`);
      if (booleans.has(element) && value !== 'true' && value !== 'false') say(`${element} is ${value}`);
      if (element === 'v8:Type' && !types.includes(value)) say(`there is no type ${value}`);
      if (element === 'Name' && !name.test(value)) say(`${value} is no name`);
    }
    for (const [, kind = '', of = ''] of text.matchAll(
      /<MetaDataObject [^>]*>\s*<(\w+) uuid=[\s\S]*?<Name>([^<]*)</g,
    )) {
      if (kind !== 'Configuration' && path !== `${folders[kind]}/${of}.xml`) say(`it has the ${kind} ${of}`);
      const wanted = generatedTypes[kind] ?? 0;
      const has =
        text.match(/<xr:GeneratedType name="[^"]+\.([^"]+)"/g)?.filter((t) => t.endsWith(`.${of}"`)).length ?? 0;
      if (has !== wanted) say(`${has} generated types of ${of}, not ${wanted}`);
    }
    const period = /RepeatPeriodInDay="(\d+)"/.exec(text)?.[1];
    if (path.endsWith('Schedule.xml') && Number(period ?? 0) < 60)
      say(`the job runs every ${period} s; standard 402 says 60 at least`);
    for (const [, module = '', routine = ''] of text.matchAll(
      /<(?:MethodName|Handler)>CommonModule\.([^.<]+)\.([^.<]+)</g,
    )) {
      const code = files.get(`CommonModules/${module}/Ext/Module.bsl`) ?? '';
      if (!new RegExp(`^Процедура ${routine}\\([^)]*\\) Экспорт`, 'mu').test(code))
        say(`${module}.${routine} is no exported procedure`);
    }
    for (const [, kind = '', of = ''] of text.matchAll(/<name>(\w+)\.([^<]+)<\/name>/g)) {
      if (!files.has(`${folders[kind]}/${of}.xml`)) say(`rights of the ${kind} ${of}, which is not there`);
    }
  }
  const configuration = files.get('Configuration.xml') ?? '';
  if (!configuration.includes('<ObjectBelonging>Adopted<')) found.push('Configuration.xml: not an extension');
  const prefix = /<NamePrefix>([^<]+)</.exec(configuration)?.[1] ?? '';
  if (prefix === '') found.push('Configuration.xml: no prefix of names');
  const listed = [...configuration.matchAll(/^\t\t\t<(\w+)>([^<]+)<\/\1>\r?$/gm)].filter(
    ([, kind = '']) => kind in folders,
  );
  const paths = listed.map(([, kind = '', of = '']) => `${folders[kind]}/${of}.xml`);
  for (const path of paths) if (!files.has(path)) found.push(`Configuration.xml: ${path} is not there`);
  for (const [, kind, of = ''] of listed) {
    if (kind !== 'Language' && !of.startsWith(prefix))
      found.push(`Configuration.xml: ${of} does not begin with ${prefix}`);
    const module = `CommonModules/${of}/Ext/Module.bsl`;
    if (kind === 'CommonModule' && !files.has(module)) found.push(`Configuration.xml: ${module} is not there`);
  }
  for (const path of files.keys()) {
    if (/^\w+\/[^/]+\.xml$/u.test(path) && !paths.includes(path))
      found.push(`Configuration.xml: ${path} is not listed`);
  }
  return found;

  function unique(path: string, what: string, id: string): void {
    if (!uuid.test(id) && !isPlatforms(id)) found.push(`${path}: ${what} ${id} is no UUID`);
    const before = seen.get(id);
    if (before !== undefined) found.push(`${path}: ${what} ${id} is that of ${before}`);
    seen.set(id, path);
  }
}

const isPlatforms = (id: string) => id === '00000000-0000-0000-0000-000000000000';

/** The first tag that is not closed, or closes nothing. */
function brokenTag(text: string): string | undefined {
  const open: string[] = [];
  for (const [, closing, tag = '', self] of text.matchAll(/<(\/?)([\w:]+)(?:\s[^<>]*?)?(\/?)>/g)) {
    if (self === '/') continue;
    if (closing !== '/') open.push(tag);
    else if (open.pop() !== tag) return tag;
  }
  return open.pop();
}
