import { StrictFault, type Symbols, type Token, tokens } from './lexer.ts';

/** The tree of a module. Names are as they are spelt; they are compared without regard to case. */
export type Expression = { readonly line: number } & (
  | { readonly kind: 'literal'; readonly value: string | number | boolean | undefined }
  | { readonly kind: 'date'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'member'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'index'; readonly of: Expression; readonly by: Expression }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Argument[] }
  | { readonly kind: 'method'; readonly of: Expression; readonly name: string; readonly args: readonly Argument[] }
  | { readonly kind: 'new'; readonly type: string; readonly args: readonly Argument[] }
  | { readonly kind: 'unary'; readonly sign: '-' | 'не'; readonly of: Expression }
  | { readonly kind: 'binary'; readonly sign: string; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'choice';
      readonly condition: Expression;
      readonly yes: Expression;
      readonly no: Expression;
    }
);
/** undefined: left out, as in `F(, 1)`. */
export type Argument = Expression | undefined;

export type Statement = { readonly line: number } & (
  | { readonly kind: 'assign'; readonly to: Expression; readonly value: Expression }
  | { readonly kind: 'expression'; readonly value: Expression }
  | {
      readonly kind: 'if';
      readonly branches: readonly { readonly condition: Expression; readonly body: readonly Statement[] }[];
      readonly otherwise: readonly Statement[];
    }
  | { readonly kind: 'each'; readonly name: string; readonly of: Expression; readonly body: readonly Statement[] }
  | {
      readonly kind: 'count';
      readonly name: string;
      readonly from: Expression;
      readonly to: Expression;
      readonly body: readonly Statement[];
    }
  | { readonly kind: 'while'; readonly condition: Expression; readonly body: readonly Statement[] }
  | { readonly kind: 'try'; readonly body: readonly Statement[]; readonly handler: readonly Statement[] }
  | { readonly kind: 'raise'; readonly value: Expression | undefined }
  | { readonly kind: 'return'; readonly value: Expression | undefined }
  | { readonly kind: 'continue' }
  | { readonly kind: 'break' }
);

export interface Parameter {
  readonly name: string;
  readonly byValue: boolean;
  readonly otherwise: Expression | undefined;
}
export interface Routine {
  readonly name: string;
  readonly isFunction: boolean;
  readonly exported: boolean;
  readonly parameters: readonly Parameter[];
  readonly body: readonly Statement[];
  /** Such as `&После("ПриНачалеРаботыСистемы")`. */
  readonly annotations: readonly string[];
  readonly line: number;
}
export interface Module {
  readonly name: string;
  readonly variables: readonly { readonly name: string; readonly exported: boolean }[];
  /** By name in lower case. */
  readonly routines: ReadonlyMap<string, Routine>;
  /** What runs when the module is loaded. */
  readonly body: readonly Statement[];
}

/** @throws StrictFault naming the module and the line */
export function parse(name: string, source: string, symbols: Symbols): Module {
  let at = 0;
  const all = (() => {
    try {
      return tokens(source, symbols);
    } catch (error) {
      throw error instanceof StrictFault ? new StrictFault(`${name}, ${error.message}`) : error;
    }
  })();
  const peek = (ahead = 0): Token => all[Math.min(at + ahead, all.length - 1)] as Token;
  const fault = (what: string, token = peek()): never => {
    throw new StrictFault(`${name}, line ${token.line}: ${what}`);
  };
  const is = (text: string): boolean => {
    const { kind, text: t } = peek();
    return (kind === 'sign' || kind === 'keyword') && t === text;
  };
  const take = (text: string): boolean => {
    if (!is(text)) return false;
    at++;
    return true;
  };
  const need = (text: string): void => {
    if (!take(text)) fault(`"${text}" was expected before "${peek().text}"`);
  };
  const word = (): string => {
    const token = peek();
    if (token.kind !== 'name') fault(`a name was expected, not "${token.text}"`);
    at++;
    return token.text;
  };
  /** After a dot a keyword is a name. */
  const memberWord = (): string => {
    const token = peek();
    if (token.kind !== 'name' && token.kind !== 'keyword') fault(`a name was expected, not "${token.text}"`);
    at++;
    return token.text;
  };

  const variables: { name: string; exported: boolean }[] = [];
  const routines = new Map<string, Routine>();
  for (;;) {
    if (take('перем')) {
      variables.push({ name: word(), exported: take('экспорт') });
      need(';');
    } else if (peek().kind === 'annotation' || is('процедура') || is('функция')) {
      const routine = routineHere();
      const key = routine.name.toLowerCase();
      if (routines.has(key)) fault(`${routine.name} is there twice`);
      routines.set(key, routine);
    } else break;
  }
  const body = statements([]);
  if (peek().kind !== 'end') fault(`"${peek().text}" is not expected here`);
  return { name, variables, routines, body };

  function routineHere(): Routine {
    const annotations: string[] = [];
    for (; peek().kind === 'annotation'; at++) annotations.push(peek().text);
    const { line } = peek();
    const isFunction = take('функция');
    if (!isFunction) need('процедура');
    const routineName = word();
    const parameters: Parameter[] = [];
    need('(');
    while (!is(')')) {
      const byValue = take('знач');
      const parameter = word();
      parameters.push({ name: parameter, byValue, otherwise: take('=') ? expression() : undefined });
      if (!is(')')) need(',');
    }
    need(')');
    const exported = take('экспорт');
    const end = isFunction ? 'конецфункции' : 'конецпроцедуры';
    const routineBody = statements([end]);
    need(end);
    return { name: routineName, isFunction, exported, parameters, body: routineBody, annotations, line };
  }

  function statements(ends: readonly string[]): Statement[] {
    const found: Statement[] = [];
    while (peek().kind !== 'end' && !ends.some(is)) {
      if (take(';')) continue;
      found.push(statement());
      if (!ends.some(is) && peek().kind !== 'end') need(';');
    }
    return found;
  }

  function statement(): Statement {
    const { line } = peek();
    if (take('если')) {
      const branches = [];
      do {
        const condition = expression();
        need('тогда');
        branches.push({ condition, body: statements(['иначеесли', 'иначе', 'конецесли']) });
      } while (take('иначеесли'));
      const otherwise = take('иначе') ? statements(['конецесли']) : [];
      need('конецесли');
      return { kind: 'if', branches, otherwise, line };
    }
    if (take('для')) {
      if (take('каждого')) {
        const item = word();
        need('из');
        const of = expression();
        return { kind: 'each', name: item, of, body: loop(), line };
      }
      const counter = word();
      need('=');
      const from = expression();
      need('по');
      const to = expression();
      return { kind: 'count', name: counter, from, to, body: loop(), line };
    }
    if (take('пока')) {
      const condition = expression();
      return { kind: 'while', condition, body: loop(), line };
    }
    if (take('попытка')) {
      const tried = statements(['исключение']);
      need('исключение');
      const handler = statements(['конецпопытки']);
      need('конецпопытки');
      return { kind: 'try', body: tried, handler, line };
    }
    if (take('вызватьисключение')) return { kind: 'raise', value: is(';') ? undefined : expression(), line };
    if (take('возврат')) return { kind: 'return', value: is(';') ? undefined : expression(), line };
    if (take('продолжить')) return { kind: 'continue', line };
    if (take('прервать')) return { kind: 'break', line };
    const value = postfix();
    if (take('=')) {
      if (value.kind !== 'name' && value.kind !== 'member' && value.kind !== 'index')
        fault('this cannot be assigned to');
      return { kind: 'assign', to: value, value: expression(), line };
    }
    if (value.kind !== 'call' && value.kind !== 'method') fault('this does nothing');
    return { kind: 'expression', value, line };
  }

  function loop(): Statement[] {
    need('цикл');
    const inside = statements(['конеццикла']);
    need('конеццикла');
    return inside;
  }

  function args(): Argument[] {
    const found: Argument[] = [];
    need('(');
    while (!take(')')) {
      found.push(is(',') || is(')') ? undefined : expression());
      if (is(')')) continue;
      need(',');
      if (is(')')) found.push(undefined);
    }
    return found;
  }

  // the weakest first: ИЛИ, И, НЕ, comparisons, + and -, * / %, the sign
  function expression(): Expression {
    return binary(0);
  }
  function binary(level: number): Expression {
    const levels = [['или'], ['и'], undefined, ['=', '<>', '<', '>', '<=', '>='], ['+', '-'], ['*', '/', '%']];
    if (level === 2) {
      const { line } = peek();
      return take('не') ? { kind: 'unary', sign: 'не', of: binary(2), line } : binary(3);
    }
    const signs = levels[level];
    if (signs === undefined) return unary();
    let left = binary(level + 1);
    for (;;) {
      const { line, text } = peek();
      if (!signs.some(is)) return left;
      at++;
      left = { kind: 'binary', sign: text, left, right: binary(level + 1), line };
    }
  }
  function unary(): Expression {
    const { line } = peek();
    return take('-') ? { kind: 'unary', sign: '-', of: unary(), line } : postfix();
  }
  function postfix(): Expression {
    let value = primary();
    for (;;) {
      const { line } = peek();
      if (take('.')) {
        const member = memberWord();
        value = is('(')
          ? { kind: 'method', of: value, name: member, args: args(), line }
          : { kind: 'member', of: value, name: member, line };
      } else if (take('[')) {
        const by = expression();
        need(']');
        value = { kind: 'index', of: value, by, line };
      } else return value;
    }
  }
  function primary(): Expression {
    const token = peek();
    const { line } = token;
    at++;
    if (token.kind === 'number') return { kind: 'literal', value: Number(token.text), line };
    if (token.kind === 'string') return { kind: 'literal', value: token.text, line };
    if (token.kind === 'date') return { kind: 'date', text: token.text, line };
    if (token.kind === 'name') {
      return is('(')
        ? { kind: 'call', name: token.text, args: args(), line }
        : { kind: 'name', name: token.text, line };
    }
    if (token.kind === 'keyword') {
      if (token.text === 'истина') return { kind: 'literal', value: true, line };
      if (token.text === 'ложь') return { kind: 'literal', value: false, line };
      if (token.text === 'неопределено') return { kind: 'literal', value: undefined, line };
      if (token.text === 'новый') {
        const type = word();
        return { kind: 'new', type, args: is('(') ? args() : [], line };
      }
    }
    if (token.kind === 'sign' && token.text === '(') {
      const inside = expression();
      need(')');
      return inside;
    }
    if (token.kind === 'sign' && token.text === '?') {
      need('(');
      const condition = expression();
      need(',');
      const yes = expression();
      need(',');
      const no = expression();
      need(')');
      return { kind: 'choice', condition, yes, no, line };
    }
    return fault(`"${token.text}" is not expected here`, token);
  }
}
