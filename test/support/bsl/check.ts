import type { LoadedModule, Surroundings } from './interpreter.ts';
import type { Argument, Expression, Module, Routine, Statement } from './parser.ts';
import { HostObject, type Method } from './values.ts';

const key = (name: string) => name.toLowerCase();

/** Names that nothing has and argument counts that nothing takes, in code that need not run for it; a sentence each. */
export function faultsOf(module: Module, world: Surroundings): string[] {
  const found: string[] = [];
  for (const routine of module.routines.values()) {
    const parameters = routine.parameters.map(({ name }) => name);
    faultsIn(routine.body, new Set([...parameters, ...assignedIn(routine.body)].map(key)), module, world, found);
    if (routine.isFunction && !returns(routine.body))
      found.push(`${module.name}, line ${routine.line}: ${routine.name} returns nothing`);
  }
  faultsIn(module.body, new Set(assignedIn(module.body).map(key)), module, world, found);
  return found;
}

/** The lines of all statements of a module. */
export function linesOf(module: Module): number[] {
  const lines = new Set<number>();
  const collect = (statements: readonly Statement[]) => {
    for (const s of statements) {
      lines.add(s.line);
      for (const inner of bodiesOf(s)) collect(inner);
    }
  };
  for (const routine of module.routines.values()) collect(routine.body);
  collect(module.body);
  return [...lines].sort((a, b) => a - b);
}

function bodiesOf(s: Statement): (readonly Statement[])[] {
  switch (s.kind) {
    case 'if':
      return [...s.branches.map(({ body }) => body), s.otherwise];
    case 'try':
      return [s.body, s.handler];
    case 'each':
    case 'count':
    case 'while':
      return [s.body];
    default:
      return [];
  }
}

function returns(body: readonly Statement[]): boolean {
  return body.some((s) => s.kind === 'return' || s.kind === 'raise' || bodiesOf(s).some(returns));
}

function assignedIn(body: readonly Statement[]): string[] {
  return body.flatMap((s) => [
    ...(s.kind === 'assign' && s.to.kind === 'name' ? [s.to.name] : []),
    ...(s.kind === 'each' || s.kind === 'count' ? [s.name] : []),
    ...bodiesOf(s).flatMap(assignedIn),
  ]);
}

function faultsIn(
  body: readonly Statement[],
  locals: ReadonlySet<string>,
  module: Module,
  world: Surroundings,
  found: string[],
): void {
  const say = (line: number, text: string) => found.push(`${module.name}, line ${line}: ${text}`);
  const isVariable = (name: string) =>
    locals.has(key(name)) ||
    module.variables.some((v) => key(v.name) === key(name)) ||
    world.application?.module.variables.some((v) => v.exported && key(v.name) === key(name)) === true;

  const counts = (line: number, name: string, args: readonly Argument[], least: number, most: number) => {
    if (args.length < least || args.length > most)
      say(line, `${name} takes ${least} to ${most} arguments, not ${args.length}`);
  };
  const countsOf = (line: number, routine: Routine, args: readonly Argument[]) => {
    const needed = routine.parameters.filter((p) => p.otherwise === undefined).length;
    counts(line, routine.name, args, needed, routine.parameters.length);
  };
  const countsOfMethod = (line: number, name: string, args: readonly Argument[], { takes: [least, most] }: Method) =>
    counts(line, name, args, least, most);

  const visit = (e: Argument): undefined => {
    if (e === undefined) return undefined;
    switch (e.kind) {
      case 'name': {
        const lower = key(e.name);
        if (!isVariable(e.name) && !world.properties.has(lower) && !world.modules.has(lower))
          say(e.line, `${e.name} is not known here`);
        return undefined;
      }
      case 'member': {
        visit(e.of);
        const of = fixed(e.of);
        if (of !== undefined && !of.has(e.name)) say(e.line, `${of.type} has no property ${e.name}`);
        return undefined;
      }
      case 'index':
        visit(e.of);
        return visit(e.by);
      case 'unary':
        return visit(e.of);
      case 'binary':
        visit(e.left);
        return visit(e.right);
      case 'choice':
        visit(e.condition);
        visit(e.yes);
        return visit(e.no);
      case 'new': {
        e.args.forEach(visit);
        const type = world.types.get(key(e.type));
        if (type === undefined) say(e.line, `there is no type ${e.type} here`);
        else countsOfMethod(e.line, `Новый ${e.type}`, e.args, type);
        return undefined;
      }
      case 'call': {
        e.args.forEach(visit);
        const own = module.routines.get(key(e.name));
        const global = world.functions.get(key(e.name));
        if (own !== undefined) countsOf(e.line, own, e.args);
        else if (global !== undefined) countsOfMethod(e.line, e.name, e.args, global);
        else say(e.line, `there is no function ${e.name} here`);
        return undefined;
      }
      case 'method':
        e.args.forEach(visit);
        return ofMethod(e);
      default:
        return undefined;
    }
  };
  /** An object that every run has: an enumeration, Константы and the like. */
  const fixed = (e: Expression): HostObject | undefined => {
    if (e.kind !== 'name' || isVariable(e.name)) return undefined;
    const value = world.properties.get(key(e.name));
    return value instanceof HostObject ? value : undefined;
  };
  const ofMethod = (e: Expression & { kind: 'method' }): undefined => {
    if (e.of.kind === 'name' && !isVariable(e.of.name)) {
      const lower = key(e.of.name);
      const called: Module | undefined =
        world.serverModules.get(lower) ?? (world.modules.get(lower) as LoadedModule | undefined)?.module;
      if (called !== undefined) {
        const routine = called.routines.get(key(e.name));
        if (routine?.exported !== true) say(e.line, `${called.name}.${e.name} is not exported`);
        else countsOf(e.line, routine, e.args);
        return undefined;
      }
    }
    return visit(e.of);
  };

  for (const s of body) {
    switch (s.kind) {
      case 'assign':
        if (s.to.kind !== 'name') visit(s.to);
        visit(s.value);
        break;
      case 'expression':
      case 'raise':
      case 'return':
        visit(s.value);
        break;
      case 'if':
        for (const { condition } of s.branches) visit(condition);
        break;
      case 'each':
        visit(s.of);
        break;
      case 'count':
        visit(s.from);
        visit(s.to);
        break;
      case 'while':
        visit(s.condition);
        break;
      default:
        break;
    }
    for (const inner of bodiesOf(s)) faultsIn(inner, locals, module, world, found);
  }
}
