import { StrictFault } from './lexer.ts';
import type { Argument, Expression, Module, Routine, Statement } from './parser.ts';
import { BslDate, BslError, BslMap, EnumValue, HostObject, type Method, same, textOf, type Value } from './values.ts';

/** A variable: passed by reference unless the parameter says `Знач`. */
interface Cell {
  value: Value;
}

/** One call of a procedure. */
export interface Frame {
  readonly module: LoadedModule;
  readonly variables: Map<string, Cell>;
  readonly caller: Frame | undefined;
  /** Set by УстановитьПривилегированныйРежим; it ends with the call that set it. */
  privileged: boolean;
  /** What the handler of an exception handles. */
  handled: Error | undefined;
}

export class LoadedModule {
  readonly module: Module;
  readonly variables = new Map<string, Cell>();
  constructor(module: Module) {
    this.module = module;
    for (const { name } of module.variables) this.variables.set(name.toLowerCase(), { value: undefined });
  }
}

/** Where code runs: on a client, or on the server for one call. It knows the names that there are. */
export interface Surroundings {
  readonly functions: ReadonlyMap<string, Method>;
  readonly types: ReadonlyMap<string, Method>;
  /** Objects, enumerations and the like, by name in lower case. */
  readonly properties: ReadonlyMap<string, Value>;
  /** Common modules whose code runs here, by name in lower case. */
  readonly modules: ReadonlyMap<string, LoadedModule>;
  /** Common modules that are called on the server from here. */
  readonly serverModules: ReadonlyMap<string, Module>;
  /** Exported variables of the application's module. */
  readonly application: LoadedModule | undefined;
  callServer(module: string, routine: string, args: readonly Value[]): Promise<Value>;
  /** Every statement that runs. */
  executed(module: string, line: number): void;
  /** The call that is on. */
  frame: Frame | undefined;
}

type Outcome = undefined | { readonly kind: 'return'; readonly value: Value } | { readonly kind: 'continue' | 'break' };
const key = (name: string) => name.toLowerCase();

/** A common module as a value, as Вычислить gives it. */
export class ModuleReference extends HostObject {
  readonly module: string;
  constructor(module: string) {
    super('ОбщийМодуль');
    this.module = module;
  }
}

export class Interpreter {
  readonly #world: Surroundings;
  constructor(world: Surroundings) {
    this.#world = world;
  }

  /** Runs what a module does when it is loaded. */
  async load(loaded: LoadedModule): Promise<void> {
    await this.#inFrame(loaded, new Map(), (frame) => this.#run(loaded.module.body, frame));
  }

  /** @param args cells are passed by reference */
  async call(loaded: LoadedModule, routineName: string, args: readonly (Cell | undefined)[]): Promise<Value> {
    const routine = loaded.module.routines.get(key(routineName));
    if (routine === undefined) throw new StrictFault(`${loaded.module.name} has no ${routineName}`);
    return this.#callRoutine(loaded, routine, args);
  }

  async #callRoutine(loaded: LoadedModule, routine: Routine, args: readonly (Cell | undefined)[]): Promise<Value> {
    if (args.length > routine.parameters.length) {
      throw new StrictFault(
        `${loaded.module.name}.${routine.name} takes ${routine.parameters.length} arguments, not ${args.length}`,
      );
    }
    const variables = new Map<string, Cell>();
    const outcome = await this.#inFrame(loaded, variables, async (frame) => {
      for (const [i, parameter] of routine.parameters.entries()) {
        const given = args[i];
        if (given === undefined && parameter.otherwise === undefined) {
          throw new StrictFault(`${loaded.module.name}.${routine.name} needs ${parameter.name}`);
        }
        const cell = given ?? { value: await this.#value(parameter.otherwise as Expression, frame) };
        variables.set(key(parameter.name), parameter.byValue ? { value: cell.value } : cell);
      }
      return this.#run(routine.body, frame);
    });
    return outcome?.kind === 'return' ? outcome.value : undefined;
  }

  async #inFrame<T>(
    module: LoadedModule,
    variables: Map<string, Cell>,
    work: (frame: Frame) => Promise<T>,
  ): Promise<T> {
    const caller = this.#world.frame;
    const frame: Frame = { module, variables, caller, privileged: false, handled: undefined };
    this.#world.frame = frame;
    try {
      return await work(frame);
    } finally {
      this.#world.frame = caller;
    }
  }

  async #run(statements: readonly Statement[], frame: Frame): Promise<Outcome> {
    for (const statement of statements) {
      this.#world.executed(frame.module.module.name, statement.line);
      const outcome = await this.#statement(statement, frame).catch((error) => {
        if (error instanceof StrictFault && !/, line \d+: /.test(error.message)) {
          throw new StrictFault(`${frame.module.module.name}, line ${statement.line}: ${error.message}`);
        }
        throw error;
      });
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  }

  async #statement(s: Statement, frame: Frame): Promise<Outcome> {
    switch (s.kind) {
      case 'assign':
        return this.#assign(s.to, await this.#value(s.value, frame), frame);
      case 'expression':
        await this.#value(s.value, frame, false);
        return undefined;
      case 'if': {
        for (const { condition, body } of s.branches) {
          if (truth(await this.#value(condition, frame))) return this.#run(body, frame);
        }
        return this.#run(s.otherwise, frame);
      }
      case 'each': {
        const of = await this.#value(s.of, frame);
        if (!(of instanceof HostObject)) throw new StrictFault(`${textOf(of)} cannot be gone through`);
        for (const item of of.items()) {
          frame.variables.set(key(s.name), { value: item });
          const outcome = await this.#run(s.body, frame);
          if (outcome?.kind === 'return') return outcome;
          if (outcome?.kind === 'break') break;
        }
        return undefined;
      }
      case 'count': {
        const to = number(await this.#value(s.to, frame));
        for (let i = number(await this.#value(s.from, frame)); i <= to; i++) {
          frame.variables.set(key(s.name), { value: i });
          const outcome = await this.#run(s.body, frame);
          if (outcome?.kind === 'return') return outcome;
          if (outcome?.kind === 'break') break;
        }
        return undefined;
      }
      case 'while': {
        while (truth(await this.#value(s.condition, frame))) {
          const outcome = await this.#run(s.body, frame);
          if (outcome?.kind === 'return') return outcome;
          if (outcome?.kind === 'break') break;
        }
        return undefined;
      }
      case 'try': {
        try {
          return await this.#run(s.body, frame);
        } catch (error) {
          if (!(error instanceof BslError)) throw error;
          const before = frame.handled;
          frame.handled = error;
          this.#world.frame = frame;
          try {
            return await this.#run(s.handler, frame);
          } finally {
            frame.handled = before;
          }
        }
      }
      case 'raise': {
        if (s.value !== undefined) throw new BslError(textOf(await this.#value(s.value, frame)));
        if (frame.handled === undefined) throw new StrictFault('ВызватьИсключение without a text outside a handler');
        throw frame.handled;
      }
      case 'return':
        return { kind: 'return', value: s.value === undefined ? undefined : await this.#value(s.value, frame) };
      default:
        return { kind: s.kind };
    }
  }

  async #assign(to: Expression, value: Value, frame: Frame): Promise<undefined> {
    if (to.kind === 'name') {
      const cell = this.#cell(to.name, frame);
      if (cell) cell.value = value;
      else frame.variables.set(key(to.name), { value });
      return undefined;
    }
    if (to.kind === 'member') {
      object(await this.#value(to.of, frame), to.name).set(to.name, value);
      return undefined;
    }
    if (to.kind === 'index') {
      const of = await this.#value(to.of, frame);
      if (!(of instanceof BslMap)) throw new StrictFault('only elements of a Соответствие are assigned to');
      of.insert(await this.#value(to.by, frame), value);
      return undefined;
    }
    throw new StrictFault('this cannot be assigned to');
  }

  #cell(name: string, frame: Frame): Cell | undefined {
    const lower = key(name);
    return (
      frame.variables.get(lower) ?? frame.module.variables.get(lower) ?? this.#world.application?.variables.get(lower)
    );
  }

  /** @param isUsed whether its result is: that of a procedure may not be */
  async #value(e: Expression, frame: Frame, isUsed = true): Promise<Value> {
    switch (e.kind) {
      case 'literal':
        return e.value;
      case 'date':
        return BslDate.of(e.text);
      case 'name': {
        const cell = this.#cell(e.name, frame);
        if (cell) return cell.value;
        const lower = key(e.name);
        if (this.#world.properties.has(lower)) return this.#world.properties.get(lower);
        if (this.#world.modules.has(lower)) return new ModuleReference(e.name);
        throw new StrictFault(`${e.name} is not known here`);
      }
      case 'member':
        return object(await this.#value(e.of, frame), e.name).get(e.name);
      case 'index': {
        const of = await this.#value(e.of, frame);
        const by = await this.#value(e.by, frame);
        if (!(of instanceof HostObject)) throw new StrictFault(`${textOf(of)} has no elements`);
        return of.at(by);
      }
      case 'choice':
        return this.#value(truth(await this.#value(e.condition, frame)) ? e.yes : e.no, frame);
      case 'unary': {
        const of = await this.#value(e.of, frame);
        return e.sign === '-' ? -number(of) : !truth(of);
      }
      case 'binary':
        return this.#binary(e.sign, e.left, e.right, frame);
      case 'new': {
        const type = this.#world.types.get(key(e.type));
        if (type === undefined) throw new StrictFault(`there is no type ${e.type} here`);
        return invoke(type, `Новый ${e.type}`, await this.#values(e.args, frame));
      }
      case 'call': {
        const own = frame.module.module.routines.get(key(e.name));
        if (own !== undefined) {
          if (isUsed && !own.isFunction) throw new StrictFault(`${e.name} is a procedure`);
          return this.#callRoutine(frame.module, own, await this.#cells(e.args, frame));
        }
        const global = this.#world.functions.get(key(e.name));
        if (global === undefined) throw new StrictFault(`there is no function ${e.name} here`);
        return invoke(global, e.name, await this.#values(e.args, frame));
      }
      case 'method':
        return this.#method(e, frame, isUsed);
    }
  }

  async #method(e: Expression & { kind: 'method' }, frame: Frame, isUsed: boolean): Promise<Value> {
    const moduleName = e.of.kind === 'name' && this.#cell(e.of.name, frame) === undefined ? e.of.name : undefined;
    if (moduleName !== undefined && this.#world.serverModules.has(key(moduleName))) {
      const remote = this.#world.serverModules.get(key(moduleName)) as Module;
      exported(remote, e.name, isUsed);
      return this.#world.callServer(moduleName, e.name, await this.#values(e.args, frame));
    }
    const of = await this.#value(e.of, frame);
    if (of instanceof ModuleReference) {
      const loaded = this.#world.modules.get(key(of.module)) as LoadedModule;
      const routine = exported(loaded.module, e.name, isUsed);
      return this.#callRoutine(loaded, routine, await this.#cells(e.args, frame));
    }
    if (!(of instanceof HostObject))
      throw new StrictFault(`${e.name} is called on ${of === undefined ? 'Неопределено' : typeof of}`);
    return invoke(of.method(e.name), `${of.type}.${e.name}`, await this.#values(e.args, frame));
  }

  async #values(args: readonly Argument[], frame: Frame): Promise<Value[]> {
    const values: Value[] = [];
    for (const arg of args) values.push(arg === undefined ? undefined : await this.#value(arg, frame));
    return values;
  }
  async #cells(args: readonly Argument[], frame: Frame): Promise<(Cell | undefined)[]> {
    const cells: (Cell | undefined)[] = [];
    for (const arg of args) {
      const variable = arg?.kind === 'name' ? this.#cell(arg.name, frame) : undefined;
      cells.push(variable ?? (arg === undefined ? undefined : { value: await this.#value(arg, frame) }));
    }
    return cells;
  }

  async #binary(sign: string, l: Expression, r: Expression, frame: Frame): Promise<Value> {
    const left = await this.#value(l, frame);
    if (sign === 'и') return truth(left) && truth(await this.#value(r, frame));
    if (sign === 'или') return truth(left) || truth(await this.#value(r, frame));
    const right = await this.#value(r, frame);
    switch (sign) {
      case '=':
        return same(left, right);
      case '<>':
        return !same(left, right);
      case '+':
        if (typeof left === 'string') return left + textOf(right);
        if (left instanceof BslDate) return new BslDate(left.seconds + number(right));
        return number(left) + number(right);
      case '-':
        if (left instanceof BslDate && right instanceof BslDate) return left.seconds - right.seconds;
        if (left instanceof BslDate) return new BslDate(left.seconds - number(right));
        return number(left) - number(right);
      case '*':
        return number(left) * number(right);
      case '/':
        return number(left) / number(right);
      case '%':
        return number(left) % number(right);
      default:
        return compared(sign, left, right);
    }
  }
}

function compared(sign: string, left: Value, right: Value): boolean {
  const [a, b] =
    left instanceof BslDate && right instanceof BslDate
      ? [left.seconds, right.seconds]
      : typeof left === 'string' && typeof right === 'string'
        ? [left, right]
        : [number(left), number(right)];
  if (sign === '<') return a < b;
  if (sign === '>') return a > b;
  return sign === '<=' ? a <= b : a >= b;
}

function exported(module: Module, name: string, isUsed: boolean): Routine {
  const routine = module.routines.get(key(name));
  if (routine === undefined) throw new StrictFault(`${module.name} has no ${name}`);
  if (!routine.exported) throw new StrictFault(`${module.name}.${name} is not exported`);
  if (isUsed && !routine.isFunction) throw new StrictFault(`${module.name}.${name} is a procedure`);
  return routine;
}

async function invoke({ takes: [least, most], run }: Method, name: string, args: Value[]): Promise<Value> {
  if (args.length < least || args.length > most) {
    throw new StrictFault(
      `${name} takes ${least === most ? least : `${least} to ${most}`} arguments, not ${args.length}`,
    );
  }
  return run(...args);
}

function truth(value: Value): boolean {
  if (typeof value !== 'boolean') throw new StrictFault(`a Булево was expected, not ${describe(value)}`);
  return value;
}
function number(value: Value): number {
  if (typeof value !== 'number') throw new StrictFault(`a Число was expected, not ${describe(value)}`);
  return value;
}
const describe = (value: Value): string => (value === undefined ? 'Неопределено' : `"${textOf(value)}"`);
function object(value: Value, member: string): HostObject {
  if (value instanceof HostObject) return value;
  throw new StrictFault(`${member} is asked of ${value instanceof EnumValue ? value.name : describe(value)}`);
}
