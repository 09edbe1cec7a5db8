import { StrictFault } from './lexer.ts';

/** What a variable may hold. `undefined` is Неопределено. */
export type Value = undefined | boolean | number | string | BslDate | EnumValue | HostObject;

/** A moment without a zone, in seconds since the epoch as if it were UTC. */
export class BslDate {
  readonly seconds: number;
  constructor(seconds: number) {
    this.seconds = seconds;
  }
  static readonly empty = new BslDate(Date.parse('0001-01-01T00:00:00Z') / 1000);
  /** @param text YYYYMMDD or YYYYMMDDhhmmss */
  static of(text: string): BslDate {
    const [, y, m, d, hh = '00', mm = '00', ss = '00'] =
      /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d))?$/.exec(text) ?? [];
    return new BslDate(Date.parse(`${y}-${m}-${d}T${hh}:${mm}:${ss}Z`) / 1000);
  }
  get iso(): string {
    return new Date(this.seconds * 1000).toISOString().slice(0, 19);
  }
}

export class EnumValue {
  readonly type: string;
  readonly name: string;
  constructor(type: string, name: string) {
    this.type = type;
    this.name = name;
  }
}

/** An error of the platform that a module may catch. */
export class BslError extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'BslError';
  }
}

export interface Method {
  /** Fewest and most arguments. */
  readonly takes: readonly [number, number];
  readonly run: (...args: Value[]) => Value | Promise<Value>;
}
export const method = (least: number, most: number, run: Method['run']): Method => ({ takes: [least, most], run });

export interface Property {
  readonly get: () => Value;
  readonly set?: (value: Value) => void;
}

/** An object of the platform. A name that it does not have is a fault of the module, not an error that it may catch. */
export class HostObject {
  readonly type: string;
  readonly #properties = new Map<string, Property>();
  readonly #methods = new Map<string, Method>();
  constructor(
    type: string,
    properties: Readonly<Record<string, Property>> = {},
    methods: Readonly<Record<string, Method>> = {},
  ) {
    this.type = type;
    for (const [name, property] of Object.entries(properties)) this.#properties.set(name.toLowerCase(), property);
    for (const [name, of] of Object.entries(methods)) this.#methods.set(name.toLowerCase(), of);
  }
  get(name: string): Value {
    return this.#property(name).get();
  }
  set(name: string, value: Value): void {
    const { set } = this.#property(name);
    if (set === undefined) throw new StrictFault(`${this.type}.${name} cannot be assigned to`);
    set(value);
  }
  has(name: string): boolean {
    return this.#properties.has(name.toLowerCase());
  }
  names(): string[] {
    return [...this.#properties.keys()];
  }
  method(name: string): Method {
    const found = this.#methods.get(name.toLowerCase());
    if (found === undefined) throw new StrictFault(`${this.type} has no method ${name}`);
    return found;
  }
  at(_key: Value): Value {
    throw new StrictFault(`${this.type} has no elements`);
  }
  items(): Iterable<Value> {
    throw new StrictFault(`${this.type} cannot be gone through`);
  }
  #property(name: string): Property {
    const found = this.#properties.get(name.toLowerCase());
    if (found === undefined) throw new StrictFault(`${this.type} has no property ${name}`);
    return found;
  }
}

/** How the platform turns a value into text: numbers with no-break spaces between thousands, dates as in Russia. */
export function textOf(value: Value): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'Да' : 'Нет';
  if (typeof value === 'number')
    return String(value)
      .replace('.', ',')
      .replace(/\B(?=(\d{3})+(?!\d))/g, '\u00a0');
  if (value instanceof BslDate) return dayTime(value);
  if (value instanceof EnumValue) return value.name;
  return value instanceof Uuid ? value.text : value.type;
}
export function dayTime(date: BslDate): string {
  const [, y, m, d, time] = /^(\d+)-(\d\d)-(\d\d)T(.*)$/.exec(date.iso) ?? [];
  return `${d}.${m}.${y} ${time}`;
}

export class Uuid extends HostObject {
  readonly text: string;
  constructor(text: string) {
    super('УникальныйИдентификатор');
    this.text = text;
  }
}

/** Equality as in the language: values by what they are, objects by which they are. */
export function same(a: Value, b: Value): boolean {
  if (a instanceof BslDate && b instanceof BslDate) return a.seconds === b.seconds;
  if (a instanceof EnumValue && b instanceof EnumValue) return a.type === b.type && a.name === b.name;
  if (a instanceof Uuid && b instanceof Uuid) return a.text === b.text;
  return a === b;
}

export class Structure extends HostObject {
  readonly fields = new Map<string, { name: string; value: Value }>();
  constructor(names = '', ...values: Value[]) {
    super(
      'Структура',
      {},
      {
        Вставить: method(1, 2, (name, value) => {
          this.insert(textOf(name), value);
          return undefined;
        }),
        Свойство: method(1, 1, (name) => this.has(textOf(name))),
        Количество: method(0, 0, () => this.fields.size),
      },
    );
    const split = names
      .split(',')
      .map((n) => n.trim())
      .filter((n) => n !== '');
    if (values.length > split.length) throw new StrictFault(`Структура: more values than names in "${names}"`);
    for (const [i, name] of split.entries()) this.insert(name, values[i]);
  }
  insert(name: string, value: Value): void {
    if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)) throw new BslError(`Структура: "${name}" is no name`);
    this.fields.set(name.toLowerCase(), { name, value });
  }
  override get(name: string): Value {
    const field = this.fields.get(name.toLowerCase());
    if (field === undefined) throw new StrictFault(`Структура has no property ${name}`);
    return field.value;
  }
  override set(name: string, value: Value): void {
    const field = this.fields.get(name.toLowerCase());
    if (field === undefined) throw new StrictFault(`Структура has no property ${name}`);
    field.value = value;
  }
  override has(name: string): boolean {
    return this.fields.has(name.toLowerCase());
  }
  override names(): string[] {
    return [...this.fields.values()].map(({ name }) => name);
  }
  override *items(): Iterable<Value> {
    for (const { name, value } of this.fields.values()) yield pair(name, value);
  }
}
const pair = (key: Value, value: Value) =>
  new HostObject('КлючИЗначение', { Ключ: { get: () => key }, Значение: { get: () => value } });

export class BslMap extends HostObject {
  readonly entries: [Value, Value][] = [];
  constructor() {
    super(
      'Соответствие',
      {},
      {
        Вставить: method(1, 2, (key, value) => {
          this.insert(key, value);
          return undefined;
        }),
        Получить: method(1, 1, (key) => this.at(key)),
        Удалить: method(1, 1, (key) => {
          const i = this.entries.findIndex(([k]) => same(k, key));
          if (i >= 0) this.entries.splice(i, 1);
          return undefined;
        }),
        Количество: method(0, 0, () => this.entries.length),
      },
    );
  }
  insert(key: Value, value: Value): void {
    const found = this.entries.find(([k]) => same(k, key));
    if (found) found[1] = value;
    else this.entries.push([key, value]);
  }
  override at(key: Value): Value {
    return this.entries.find(([k]) => same(k, key))?.[1];
  }
  override *items(): Iterable<Value> {
    for (const [key, value] of [...this.entries]) yield pair(key, value);
  }
}

export class BslArray extends HostObject {
  readonly list: Value[];
  constructor(list: Value[] = []) {
    super(
      'Массив',
      {},
      {
        Добавить: method(1, 1, (value) => {
          this.list.push(value);
          return undefined;
        }),
        Количество: method(0, 0, () => this.list.length),
        ВГраница: method(0, 0, () => this.list.length - 1),
        Найти: method(1, 1, (value) => {
          const i = this.list.findIndex((v) => same(v, value));
          return i < 0 ? undefined : i;
        }),
      },
    );
    this.list = list;
  }
  override at(key: Value): Value {
    if (typeof key !== 'number' || key < 0 || key >= this.list.length)
      throw new BslError('Индекс находится за границами массива');
    return this.list[key];
  }
  override items(): Iterable<Value> {
    return [...this.list];
  }
}

export class ValueList extends HostObject {
  readonly list: { readonly value: Value; readonly text: string }[] = [];
  constructor() {
    super(
      'СписокЗначений',
      {},
      {
        Добавить: method(1, 2, (value, text) => {
          this.list.push({ value, text: textOf(text) });
          return undefined;
        }),
      },
    );
  }
}

/** What comes out on the other side of a server call: copies; and not everything may cross. */
export function acrossTheCall(value: Value): Value {
  if (value instanceof Structure) {
    const copy = new Structure();
    for (const { name, value: v } of value.fields.values()) copy.insert(name, acrossTheCall(v));
    return copy;
  }
  if (value instanceof BslArray) return new BslArray(value.list.map(acrossTheCall));
  if (value instanceof BslMap) {
    const copy = new BslMap();
    for (const [k, v] of value.entries) copy.insert(acrossTheCall(k), acrossTheCall(v));
    return copy;
  }
  if (value instanceof HostObject && !(value instanceof Uuid)) {
    throw new StrictFault(`${value.type} cannot be passed between client and server`);
  }
  return value;
}
