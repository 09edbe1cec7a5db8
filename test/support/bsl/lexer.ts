/** Tokens of the language of 1C:Enterprise, as far as the shipped modules use it. */
export interface Token {
  readonly kind: 'name' | 'keyword' | 'number' | 'string' | 'date' | 'sign' | 'annotation' | 'end';
  /** A keyword in Russian and lower case; a name as it is spelt; a string's content. */
  readonly text: string;
  readonly line: number;
}

/** Something that the platform would refuse, or that the model does not know: never caught by a module's own handler. */
export class StrictFault extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'StrictFault';
  }
}

/** English spellings of the keywords; the language has both. */
const english: ReadonlyMap<string, string> = new Map(
  `
    procedure=процедура endprocedure=конецпроцедуры function=функция endfunction=конецфункции
    export=экспорт val=знач var=перем if=если then=тогда elsif=иначеесли else=иначе endif=конецесли
    for=для each=каждого in=из to=по while=пока do=цикл enddo=конеццикла return=возврат
    continue=продолжить break=прервать try=попытка except=исключение endtry=конецпопытки
    raise=вызватьисключение new=новый and=и or=или not=не true=истина false=ложь undefined=неопределено
  `
    .trim()
    .split(/\s+/)
    .map((pair) => pair.split('=') as [string, string]),
);
const keywords = new Set(english.values());

/** Symbols that the preprocessor knows, in lower case. */
export type Symbols = ReadonlySet<string>;
const knownSymbols = new Set([
  'клиент',
  'сервер',
  'тонкийклиент',
  'вебклиент',
  'мобильныйклиент',
  'толстыйклиентобычноеприложение',
  'внешнеесоединение',
]);

/** @param symbols what `#Если` is decided by */
export function tokens(source: string, symbols: Symbols): Token[] {
  const text = source.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  const found: Token[] = [];
  const included: boolean[] = [];
  let at = 0;
  let line = 1;
  const fault = (what: string): never => {
    throw new StrictFault(`line ${line}: ${what}`);
  };
  const push = (kind: Token['kind'], value: string) => {
    if (included.every((is) => is)) found.push({ kind, text: value, line });
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const hit = pattern.exec(text)?.[0];
    if (hit !== undefined) at += hit.length;
    return hit;
  };
  while (at < text.length) {
    if (text[at] === '\n') {
      line++;
      at++;
      continue;
    }
    if (match(/[ \t]+/y) !== undefined || match(/\/\/[^\n]*/y) !== undefined) continue;
    const directive = match(/#[^\n]*/y);
    if (directive !== undefined) {
      directed(directive);
      continue;
    }
    const annotation = match(/&[\p{L}]+(\("[^"\n]*"\))?/uy);
    if (annotation !== undefined) {
      push('annotation', annotation);
      continue;
    }
    const name = match(/[\p{L}_][\p{L}\p{N}_]*/uy);
    if (name !== undefined) {
      const lower = name.toLowerCase();
      const keyword = english.get(lower) ?? (keywords.has(lower) ? lower : undefined);
      push(keyword === undefined ? 'name' : 'keyword', keyword ?? name);
      continue;
    }
    const number = match(/\d+(\.\d+)?/y);
    if (number !== undefined) {
      push('number', number);
      continue;
    }
    if (text[at] === '"') {
      push('string', stringAt());
      continue;
    }
    const date = match(/'\d{8}(\d{6})?'/y);
    if (date !== undefined) {
      push('date', date.slice(1, -1));
      continue;
    }
    const sign = match(/<>|<=|>=|[-+*/%=<>()[\],.;?]/y);
    if (sign === undefined) fault(`what is ${JSON.stringify(text[at])}?`);
    push('sign', sign ?? '');
  }
  if (included.length > 0) fault('#Если without #КонецЕсли');
  found.push({ kind: 'end', text: 'the end of the module', line });
  return found;

  function directed(directive: string): void {
    const words = directive.slice(1).trim().toLowerCase();
    if (/^(область|конецобласти|region|endregion)\b/u.test(words) || words.startsWith('область')) return;
    if (words === 'конецобласти') return;
    const condition = /^если (.+) тогда$/u.exec(words)?.[1];
    if (condition !== undefined) included.push(holds(condition));
    else if (words === 'иначе') included.push(!(included.pop() ?? fault('#Иначе without #Если')));
    else if (words === 'конецесли') {
      if (included.pop() === undefined) fault('#КонецЕсли without #Если');
    } else fault(`unknown directive ${directive}`);
  }
  function holds(condition: string): boolean {
    return condition.split(/ и /u).every((term) => {
      const symbol = term.replace(/^не /u, '').trim();
      if (!knownSymbols.has(symbol)) fault(`unknown symbol of the preprocessor: ${symbol}`);
      return symbols.has(symbol) !== term.startsWith('не ');
    });
  }
  /** Doubled quotes are quotes; a line that goes on begins with a bar. */
  function stringAt(): string {
    let value = '';
    at++;
    for (;;) {
      const char = text[at];
      if (char === undefined) fault('a text without its end');
      if (char === '"') {
        if (text[at + 1] !== '"') break;
        value += '"';
        at += 2;
      } else if (char === '\n') {
        at++;
        line++;
        if (match(/[ \t]*\|/y) === undefined) fault('a text without its end');
        value += '\n';
      } else {
        value += char;
        at++;
      }
    }
    at++;
    return value;
  }
}
