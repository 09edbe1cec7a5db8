import { createHash } from 'node:crypto';
import {
  type CommonModule,
  type Constant,
  commonModules,
  constants,
  eventSubscriptions,
  extension,
  type Field,
  register,
  role,
  scheduledJob,
  sessionParameters,
  type ValueType,
} from './model.ts';

/**
 * The extension's XML, as Designer dumps it (format 2.17, of platform 8.3.24): path → content, with a byte order mark and CRLF.
 * Identifiers are made from names, so that a newer build updates the objects of an older one instead of replacing them.
 * @param version of the extension, such as `0.1.0`
 */
export function extensionXml(version: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const add = (path: string, ...content: readonly string[]) => files.set(path, asDumped(content.join('\n')));
  add('Configuration.xml', document('Configuration', extension.name, configuration(version)));
  const { language } = extension;
  add(
    `Languages/${language.name}.xml`,
    document('Language', language.name, [
      '<InternalInfo/>',
      ...properties([
        '<ObjectBelonging>Adopted</ObjectBelonging>',
        `<Name>${language.name}</Name>`,
        '<Comment/>',
        // the language of whatever configuration it is loaded into is found by its name
        '<ExtendedConfigurationObject>00000000-0000-0000-0000-000000000000</ExtendedConfigurationObject>',
        `<LanguageCode>${language.code}</LanguageCode>`,
      ]),
    ]),
  );
  add(`Roles/${role.name}.xml`, document('Role', role.name, properties(named(role))));
  add(`Roles/${role.name}/Ext/Rights.xml`, rights());
  for (const module of commonModules) {
    add(`CommonModules/${module.name}.xml`, document('CommonModule', module.name, properties(commonModule(module))));
  }
  for (const parameter of sessionParameters) {
    const content = properties([...named(parameter), ...typed(parameter.type)]);
    add(`SessionParameters/${parameter.name}.xml`, document('SessionParameter', parameter.name, content));
  }
  for (const subscription of eventSubscriptions) {
    const content = properties([
      ...named(subscription),
      '<Source>',
      ...indented(subscription.sources.map((source) => `<v8:TypeSet>${source}</v8:TypeSet>`)),
      '</Source>',
      `<Event>${subscription.event}</Event>`,
      `<Handler>${subscription.handler}</Handler>`,
    ]);
    add(`EventSubscriptions/${subscription.name}.xml`, document('EventSubscription', subscription.name, content));
  }
  add(`ScheduledJobs/${scheduledJob.name}.xml`, document('ScheduledJob', scheduledJob.name, properties(job())));
  add(`ScheduledJobs/${scheduledJob.name}/Ext/Schedule.xml`, schedule());
  for (const constant of constants) {
    const content = [...generated('Constant', constant.name, constantTypes), ...properties(constantOf(constant))];
    add(`Constants/${constant.name}.xml`, document('Constant', constant.name, content));
  }
  add(`InformationRegisters/${register.name}.xml`, document('InformationRegister', register.name, registerOf()));
  return files;
}

/** What an object's text form is made of: one element a line, indented by tabs. */
type Lines = readonly string[];

const indented = (lines: Lines): Lines => lines.map((line) => `\t${line}`);
const properties = (lines: Lines): Lines => ['<Properties>', ...indented(lines), '</Properties>'];
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const asDumped = (text: string): string => `\uFEFF${text.replaceAll('\n', '\r\n')}`;

/** A UUID of version 8 (RFC 9562) out of a name. */
export function uuidOf(name: string): string {
  const hex = createHash('sha256').update(`softonit-licence/1c/${name}`).digest('hex');
  const variant = '89ab'[Number.parseInt(hex[16] ?? '0', 16) % 4];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const namespaces = [
  'xmlns="http://v8.1c.ru/8.3/MDClasses"',
  'xmlns:app="http://v8.1c.ru/8.2/managed-application/core"',
  'xmlns:cfg="http://v8.1c.ru/8.1/data/enterprise/current-config"',
  'xmlns:cmi="http://v8.1c.ru/8.2/managed-application/cmi"',
  'xmlns:ent="http://v8.1c.ru/8.1/data/enterprise"',
  'xmlns:lf="http://v8.1c.ru/8.2/managed-application/logform"',
  'xmlns:style="http://v8.1c.ru/8.1/data/ui/style"',
  'xmlns:sys="http://v8.1c.ru/8.1/data/ui/fonts/system"',
  'xmlns:v8="http://v8.1c.ru/8.1/data/core"',
  'xmlns:v8ui="http://v8.1c.ru/8.1/data/ui"',
  'xmlns:web="http://v8.1c.ru/8.1/data/ui/colors/web"',
  'xmlns:win="http://v8.1c.ru/8.1/data/ui/colors/windows"',
  'xmlns:xen="http://v8.1c.ru/8.3/xcf/enums"',
  'xmlns:xpr="http://v8.1c.ru/8.3/xcf/predef"',
  'xmlns:xr="http://v8.1c.ru/8.3/xcf/readable"',
  'xmlns:xs="http://www.w3.org/2001/XMLSchema"',
  'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
].join(' ');
const formatVersion = '2.17';
const declaration = '<?xml version="1.0" encoding="UTF-8"?>';

const document = (kind: string, name: string, content: Lines): string =>
  [
    declaration,
    `<MetaDataObject ${namespaces} version="${formatVersion}">`,
    `\t<${kind} uuid="${uuidOf(`${kind}.${name}`)}">`,
    ...indented(indented(content)),
    `\t</${kind}>`,
    '</MetaDataObject>',
  ].join('\n');

const multilingual = (element: string, text: string): Lines => [
  `<${element}>`,
  '\t<v8:item>',
  `\t\t<v8:lang>${extension.language.code}</v8:lang>`,
  `\t\t<v8:content>${escaped(text)}</v8:content>`,
  '\t</v8:item>',
  `</${element}>`,
];
const named = ({ name, synonym }: { readonly name: string; readonly synonym: string }): Lines => [
  `<Name>${name}</Name>`,
  ...multilingual('Synonym', synonym),
  '<Comment/>',
];

const typed = (type: ValueType): Lines => [
  '<Type>',
  ...indented(
    type.kind === 'string'
      ? [
          '<v8:Type>xs:string</v8:Type>',
          '<v8:StringQualifiers>',
          `\t<v8:Length>${type.length}</v8:Length>`,
          '\t<v8:AllowedLength>Variable</v8:AllowedLength>',
          '</v8:StringQualifiers>',
        ]
      : [
          '<v8:Type>xs:dateTime</v8:Type>',
          '<v8:DateQualifiers>',
          '\t<v8:DateFractions>DateTime</v8:DateFractions>',
          '</v8:DateQualifiers>',
        ],
  ),
  '</Type>',
];

/** The types that the platform makes for an object: they have identifiers of their own. */
const generated = (kind: string, name: string, categories: readonly (readonly [string, string])[]): Lines => [
  '<InternalInfo>',
  ...indented(
    categories.flatMap(([suffix, category]) => [
      `<xr:GeneratedType name="${kind}${suffix}.${name}" category="${category}">`,
      `\t<xr:TypeId>${uuidOf(`${kind}.${name}.${category}.type`)}</xr:TypeId>`,
      `\t<xr:ValueId>${uuidOf(`${kind}.${name}.${category}.value`)}</xr:ValueId>`,
      '</xr:GeneratedType>',
    ]),
  ),
  '</InternalInfo>',
];
const constantTypes = [
  ['Manager', 'Manager'],
  ['ValueManager', 'ValueManager'],
  ['ValueKey', 'ValueKey'],
] as const;
const registerTypes = [
  ['Record', 'Record'],
  ['Manager', 'Manager'],
  ['Selection', 'Selection'],
  ['List', 'List'],
  ['RecordSet', 'RecordSet'],
  ['RecordKey', 'RecordKey'],
  ['RecordManager', 'RecordManager'],
] as const;

/** Classes of the parts of which every configuration consists; they are the platform's. */
const containedClasses = [
  '9cd510cd-abfc-11d4-9434-004095e12fc7',
  '9fcd25a0-4822-11d4-9414-008048da11f9',
  'e3687481-0a87-462c-a166-9f34594f9bba',
  '9de14907-ec23-4a07-96f0-85521cb6b53b',
  '51f2d5d8-ea4d-4064-8892-82951750031e',
  'e68182ea-4237-4383-967f-90c1e3370bc7',
  'fb282519-d103-4dd3-bc12-cb271d631dfc',
];

function configuration(version: string): Lines {
  const children: readonly (readonly [string, string])[] = [
    ['Language', extension.language.name],
    ['Role', role.name],
    ...commonModules.map(({ name }) => ['CommonModule', name] as const),
    ...sessionParameters.map(({ name }) => ['SessionParameter', name] as const),
    ...eventSubscriptions.map(({ name }) => ['EventSubscription', name] as const),
    ['ScheduledJob', scheduledJob.name],
    ...constants.map(({ name }) => ['Constant', name] as const),
    ['InformationRegister', register.name],
  ];
  return [
    '<InternalInfo>',
    ...indented(
      containedClasses.flatMap((classId) => [
        '<xr:ContainedObject>',
        `\t<xr:ClassId>${classId}</xr:ClassId>`,
        `\t<xr:ObjectId>${uuidOf(`contained.${classId}`)}</xr:ObjectId>`,
        '</xr:ContainedObject>',
      ]),
    ),
    '</InternalInfo>',
    ...properties([
      '<ObjectBelonging>Adopted</ObjectBelonging>',
      ...named(extension),
      '<ConfigurationExtensionPurpose>AddOn</ConfigurationExtensionPurpose>',
      '<KeepMappingToExtendedConfigurationObjectsByIDs>false</KeepMappingToExtendedConfigurationObjectsByIDs>',
      `<NamePrefix>${extension.prefix}</NamePrefix>`,
      `<ConfigurationExtensionCompatibilityMode>${extension.compatibility}</ConfigurationExtensionCompatibilityMode>`,
      '<DefaultRunMode>ManagedApplication</DefaultRunMode>',
      '<UsePurposes>',
      '\t<v8:Value xsi:type="app:ApplicationUsePurpose">PlatformApplication</v8:Value>',
      '</UsePurposes>',
      '<ScriptVariant>Russian</ScriptVariant>',
      '<DefaultRoles/>',
      `<Vendor>${extension.vendor}</Vendor>`,
      `<Version>${version}</Version>`,
      `<DefaultLanguage>Language.${extension.language.name}</DefaultLanguage>`,
      '<BriefInformation/>',
      '<DetailedInformation/>',
      '<Copyright/>',
      '<VendorInformationAddress/>',
      '<ConfigurationInformationAddress/>',
      '<InterfaceCompatibilityMode>TaxiEnableVersion8_2</InterfaceCompatibilityMode>',
    ]),
    '<ChildObjects>',
    ...indented(children.map(([kind, name]) => `<${kind}>${name}</${kind}>`)),
    '</ChildObjects>',
  ];
}

const commonModule = ({ where, ...names }: CommonModule): Lines => [
  ...named(names),
  '<Global>false</Global>',
  `<ClientManagedApplication>${where === 'client'}</ClientManagedApplication>`,
  `<Server>${where !== 'client'}</Server>`,
  `<ExternalConnection>${where === 'server'}</ExternalConnection>`,
  `<ClientOrdinaryApplication>${where !== 'serverCall'}</ClientOrdinaryApplication>`,
  `<ServerCall>${where === 'serverCall'}</ServerCall>`,
  '<Privileged>false</Privileged>',
  '<ReturnValuesReuse>DontUse</ReturnValuesReuse>',
];

const job = (): Lines => [
  ...named(scheduledJob),
  `<MethodName>${scheduledJob.method}</MethodName>`,
  `<Description>${escaped(scheduledJob.synonym)}</Description>`,
  `<Key>${scheduledJob.name}</Key>`,
  '<Use>true</Use>',
  '<Predefined>true</Predefined>',
  '<RestartCountOnFailure>0</RestartCountOnFailure>',
  '<RestartIntervalOnFailure>10</RestartIntervalOnFailure>',
];

const schedule = (): string => {
  const never = '0001-01-01';
  const midnight = '00:00:00';
  const attributes = [
    `BeginDate="${never}"`,
    `EndDate="${never}"`,
    `BeginTime="${midnight}"`,
    `EndTime="${midnight}"`,
    `CompletionTime="${midnight}"`,
    'CompletionInterval="0"',
    `RepeatPeriodInDay="${scheduledJob.periodSeconds}"`,
    'RepeatPause="0"',
    'WeekDayInMonth="0"',
    'DayInMonth="0"',
    'WeeksPeriod="1"',
    'DaysRepeatPeriod="1"',
  ];
  return [
    declaration,
    `<JobSchedule xmlns="http://v8.1c.ru/8.3/xcf/extrnprops" xmlns:ent="http://v8.1c.ru/8.1/data/enterprise" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" version="${formatVersion}">`,
    `\t<Schedule ${attributes.join(' ')}>`,
    '\t\t<ent:WeekDays>1 2 3 4 5 6 7</ent:WeekDays>',
    '\t\t<ent:Months>1 2 3 4 5 6 7 8 9 10 11 12</ent:Months>',
    '\t</Schedule>',
    '</JobSchedule>',
  ].join('\n');
};

/** Of a field as people edit it, in a constant or in a register. */
const edited = (secret: boolean, toolTip: string | undefined): Lines => [
  `<PasswordMode>${secret}</PasswordMode>`,
  '<Format/>',
  '<EditFormat/>',
  ...(toolTip === undefined ? ['<ToolTip/>'] : multilingual('ToolTip', toolTip)),
  '<MarkNegatives>false</MarkNegatives>',
  '<Mask/>',
  '<MultiLine>false</MultiLine>',
  '<ExtendedEdit>false</ExtendedEdit>',
  '<MinValue xsi:nil="true"/>',
  '<MaxValue xsi:nil="true"/>',
];
const chosen: Lines = [
  '<FillChecking>DontCheck</FillChecking>',
  '<ChoiceFoldersAndItems>Items</ChoiceFoldersAndItems>',
  '<ChoiceParameterLinks/>',
  '<ChoiceParameters/>',
  '<QuickChoice>Auto</QuickChoice>',
];
const historyOff: Lines = [
  '<DataHistory>DontUse</DataHistory>',
  '<UpdateDataHistoryImmediatelyAfterWrite>false</UpdateDataHistoryImmediatelyAfterWrite>',
  '<ExecuteAfterWriteDataHistoryVersionProcessing>false</ExecuteAfterWriteDataHistoryVersionProcessing>',
];

const constantOf = ({ type, secret, toolTip, ...names }: Constant): Lines => [
  ...named(names),
  ...typed(type),
  '<UseStandardCommands>true</UseStandardCommands>',
  '<DefaultForm/>',
  '<ExtendedPresentation/>',
  '<Explanation/>',
  ...edited(secret === true, toolTip),
  ...chosen,
  '<ChoiceForm/>',
  '<LinkByType/>',
  '<ChoiceHistoryOnInput>Auto</ChoiceHistoryOnInput>',
  '<DataLockControlMode>Managed</DataLockControlMode>',
  ...historyOff,
];

const fieldOf = (kind: 'Dimension' | 'Resource', { type, ...names }: Field): Lines => [
  `<${kind} uuid="${uuidOf(`InformationRegister.${register.name}.${kind}.${names.name}`)}">`,
  ...indented(
    properties([
      ...named(names),
      ...typed(type),
      ...edited(false, undefined),
      `<FillFromFillingValue>${kind === 'Dimension'}</FillFromFillingValue>`,
      type.kind === 'string' ? '<FillValue xsi:type="xs:string"/>' : '<FillValue xsi:nil="true"/>',
      ...chosen,
      '<CreateOnInput>Auto</CreateOnInput>',
      '<ChoiceForm/>',
      '<LinkByType/>',
      '<ChoiceHistoryOnInput>Auto</ChoiceHistoryOnInput>',
      ...(kind === 'Dimension'
        ? [
            '<Master>false</Master>',
            '<MainFilter>true</MainFilter>',
            '<DenyIncompleteValues>true</DenyIncompleteValues>',
          ]
        : []),
      '<Indexing>DontIndex</Indexing>',
      '<FullTextSearch>DontUse</FullTextSearch>',
      '<DataHistory>DontUse</DataHistory>',
    ]),
  ),
  `</${kind}>`,
];

const registerOf = (): Lines => [
  ...generated('InformationRegister', register.name, registerTypes),
  ...properties([
    ...named(register),
    '<UseStandardCommands>true</UseStandardCommands>',
    '<EditType>InDialog</EditType>',
    '<DefaultRecordForm/>',
    '<DefaultListForm/>',
    '<AuxiliaryRecordForm/>',
    '<AuxiliaryListForm/>',
    '<InformationRegisterPeriodicity>Nonperiodical</InformationRegisterPeriodicity>',
    '<WriteMode>Independent</WriteMode>',
    '<MainFilterOnPeriod>false</MainFilterOnPeriod>',
    '<IncludeHelpInContents>false</IncludeHelpInContents>',
    '<DataLockControlMode>Managed</DataLockControlMode>',
    '<FullTextSearch>DontUse</FullTextSearch>',
    '<EnableTotalsSliceFirst>false</EnableTotalsSliceFirst>',
    '<EnableTotalsSliceLast>false</EnableTotalsSliceLast>',
    '<RecordPresentation/>',
    '<ExtendedRecordPresentation/>',
    '<ListPresentation/>',
    '<ExtendedListPresentation/>',
    '<Explanation/>',
    ...historyOff,
  ]),
  '<ChildObjects>',
  ...indented([
    ...register.resources.flatMap((field) => fieldOf('Resource', field)),
    ...fieldOf('Dimension', register.dimension),
  ]),
  '</ChildObjects>',
];

/** Administrators see and change the constants; whatever else the extension does, it does in privileged mode. */
const rights = (): string => {
  const right = (name: string) => ['<right>', `\t<name>${name}</name>`, '\t<value>true</value>', '</right>'];
  const object = (name: string, rightNames: readonly string[]) => [
    '<object>',
    `\t<name>${name}</name>`,
    ...indented(rightNames.flatMap(right)),
    '</object>',
  ];
  return [
    declaration,
    `<Rights xmlns="http://v8.1c.ru/8.2/roles" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Rights" version="${formatVersion}">`,
    ...indented([
      '<setForNewObjects>false</setForNewObjects>',
      '<setForAttributesByDefault>true</setForAttributesByDefault>',
      '<independentRightsOfChildObjects>false</independentRightsOfChildObjects>',
      ...constants.flatMap(({ name }) => object(`Constant.${name}`, ['Read', 'Update', 'View', 'Edit'])),
      ...object(`InformationRegister.${register.name}`, ['Read', 'View']),
    ]),
    '</Rights>',
  ].join('\n');
};
