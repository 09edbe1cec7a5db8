import { constants, register, scheduledJob, sessionParameters, type ValueType } from '../../../client/1c/model.ts';
import { commonFunctions, commonProperties, commonTypes, lowered } from './globals.ts';
import { httpTypes, jsonFunctions } from './http.ts';
import type { Infobase, Record as Row, SessionRow } from './infobase.ts';
import { type Frame, Interpreter, LoadedModule, type Surroundings } from './interpreter.ts';
import { StrictFault } from './lexer.ts';
import { BslDate, BslError, HostObject, type Method, method, type Property, textOf, type Value } from './values.ts';

/** One server call, or one run of a job: code on the server, with the rights of a session. */
export class ServerSide {
  readonly surroundings: Surroundings;
  readonly #base: Infobase;
  readonly #session: SessionRow;
  readonly #interpreter: Interpreter;

  constructor(base: Infobase, session: SessionRow) {
    this.#base = base;
    this.#session = session;
    const program = base.program('server');
    this.surroundings = {
      functions: new Map([
        ...commonFunctions(
          () => handledBy(this.surroundings.frame),
          () => base.world.now,
        ),
        ...jsonFunctions,
        ...this.#functions(),
      ]),
      types: new Map([
        ...commonTypes(() => base.world.uuid()),
        ...httpTypes((what) => this.#sent(what)),
        ...this.#types(),
      ]),
      properties: new Map([...commonProperties(), ...this.#properties()]),
      modules: new Map([...program.local].map(([name, module]) => [name, new LoadedModule(module)])),
      serverModules: new Map(),
      application: undefined,
      callServer: () => {
        throw new StrictFault('a server call on the server');
      },
      executed: (module, line) => base.world.ran(module, line),
      frame: undefined,
    };
    this.#interpreter = new Interpreter(this.surroundings);
  }

  async call(module: string, routine: string, args: readonly Value[]): Promise<Value> {
    const loaded = this.surroundings.modules.get(module.toLowerCase());
    if (loaded === undefined) throw new StrictFault(`there is no module ${module} on the server`);
    if (!this.#session.parameters.has(sessionKey)) await this.#setParameters();
    const value = await this.#interpreter.call(
      loaded,
      routine,
      args.map((value) => ({ value })),
    );
    if (this.#base.transaction !== undefined) throw new StrictFault('a transaction was left open');
    return value;
  }

  /** The platform asks the session module for parameters that nobody has set. */
  async #setParameters(): Promise<void> {
    const module = new LoadedModule(this.#base.program('server').session);
    const routine = [...module.module.routines.values()].find((r) =>
      r.annotations.includes('&После("УстановкаПараметровСеанса")'),
    );
    if (routine === undefined) throw new StrictFault('nobody sets the parameters of the session');
    await this.#interpreter.call(module, routine.name, [{ value: undefined }]);
  }

  #sent(what: string): void {
    if (this.#base.transaction !== undefined) throw new StrictFault(`${what} within a transaction`);
    this.#base.world.requests.push(what);
  }

  #isPrivileged(): boolean {
    for (let frame = this.surroundings.frame; frame !== undefined; frame = frame.caller)
      if (frame.privileged) return true;
    return this.#session.hasFullRights;
  }
  #needRights(what: string): void {
    if (!this.#isPrivileged()) throw new StrictFault(`${what}: Недостаточно прав`);
  }

  #functions(): Map<string, Method> {
    const base = this.#base;
    return lowered<Method>({
      СтрокаСоединенияИнформационнойБазы: method(0, 0, () => base.connectionString(this.#session)),
      ИмяКомпьютера: method(0, 0, () => (base.isFile ? this.#session.computer : base.serverComputer)),
      ПолучитьРазделительПути: method(0, 0, () => '\\'),
      ПолучитьСеансыИнформационнойБазы: method(0, 0, () => {
        this.#needRights('ПолучитьСеансыИнформационнойБазы');
        return base.sessionList();
      }),
      ПолучитьТекущийСеансИнформационнойБазы: method(0, 0, () => base.sessionObject(this.#session)),
      УстановитьПривилегированныйРежим: method(1, 1, (on) => {
        if (this.surroundings.frame) this.surroundings.frame.privileged = on === true;
        return undefined;
      }),
      УстановитьБезопасныйРежим: method(1, 1, () => undefined),
      ПравоДоступа: method(2, 3, (right) => {
        if (right !== 'Администрирование') throw new StrictFault(`ПравоДоступа: "${textOf(right)}" is not used`);
        return this.#session.isAdmin;
      }),
      ЗаписьЖурналаРегистрации: method(1, 6, (event, level, _metadata, _data, comment) => {
        base.journal.push(`${textOf(event)} ${textOf(level)}: ${textOf(comment)}`);
        return undefined;
      }),
      НачатьТранзакцию: method(0, 1, () => base.begin()),
      ЗафиксироватьТранзакцию: method(0, 0, () => base.commit()),
      ОтменитьТранзакцию: method(0, 0, () => base.rollback()),
      Вычислить: method(1, 1, (name) => {
        const module = base.library.get(textOf(name));
        if (module === undefined) throw new StrictFault(`Вычислить: there is no ${textOf(name)}`);
        return module;
      }),
    });
  }

  #types(): Map<string, Method> {
    const { world } = this.#base;
    const file = (path: Value) =>
      world.file(this.#base.isFile ? this.#session.computer : this.#base.serverComputer, textOf(path));
    const inUtf8 = (encoding: Value) => {
      if (textOf(encoding) !== 'UTF8') throw new StrictFault('a file that is not in UTF-8');
    };
    return lowered<Method>({
      Файл: method(
        1,
        1,
        (path) =>
          new HostObject(
            'Файл',
            { ПолноеИмя: { get: () => textOf(path) } },
            { Существует: method(0, 0, () => file(path).exists()) },
          ),
      ),
      ЧтениеТекста: method(2, 2, (path, encoding) => {
        inUtf8(encoding);
        const text = file(path).read();
        return new HostObject(
          'ЧтениеТекста',
          {},
          { Прочитать: method(0, 1, () => text), Закрыть: method(0, 0, () => undefined) },
        );
      }),
      ЗаписьТекста: method(2, 2, (path, encoding) => {
        inUtf8(encoding);
        file(path).write('');
        return new HostObject(
          'ЗаписьТекста',
          {},
          {
            Записать: method(1, 1, (text) => {
              file(path).write(textOf(text));
              return undefined;
            }),
            Закрыть: method(0, 0, () => undefined),
          },
        );
      }),
      БлокировкаДанных: method(0, 0, () => this.#lock()),
    });
  }

  #lock(): HostObject {
    const spaces = new Set([
      `регистрсведений.${register.name.toLowerCase()}`,
      ...constants.map((c) => `константа.${c.name.toLowerCase()}`),
    ]);
    return new HostObject(
      'БлокировкаДанных',
      {},
      {
        Добавить: method(1, 1, (space) => {
          if (!spaces.has(textOf(space).toLowerCase()))
            throw new StrictFault(`БлокировкаДанных: there is no ${textOf(space)}`);
          return new HostObject(
            'ЭлементБлокировкиДанных',
            {},
            {
              УстановитьЗначение: method(2, 2, (field) => {
                if (textOf(field) !== register.dimension.name)
                  throw new StrictFault(`only the dimension is locked, not ${textOf(field)}`);
                return undefined;
              }),
            },
          );
        }),
        Заблокировать: method(0, 0, () => {
          if (this.#base.transaction === undefined) throw new StrictFault('a lock outside a transaction');
          if (this.#base.isLocked) throw new BslError('Конфликт блокировок при выполнении транзакции');
          return undefined;
        }),
      },
    );
  }

  #properties(): Map<string, Value> {
    const base = this.#base;
    const stored = Object.fromEntries(
      constants.map(({ name, type }): [string, Property] => [
        name,
        {
          get: () =>
            new HostObject(
              'КонстантаМенеджер',
              {},
              {
                Получить: method(0, 0, () => {
                  this.#needRights(`Константы.${name}`);
                  return base.constants.get(name) ?? emptyOf(type);
                }),
                Установить: method(1, 1, (value) => {
                  this.#needRights(`Константы.${name}`);
                  base.constants.set(name, fitting(name, type, value));
                  return undefined;
                }),
              },
            ),
        },
      ]),
    );
    const parameters = Object.fromEntries(
      sessionParameters.map(({ name, type }): [string, Property] => [
        name,
        {
          get: () => this.#session.parameters.get(name.toLowerCase()) ?? emptyOf(type),
          set: (value) => this.#session.parameters.set(name.toLowerCase(), fitting(name, type, value)),
        },
      ]),
    );
    const jobs = { [scheduledJob.name]: { get: () => new HostObject('ОбъектМетаданных') } };
    const modules = new HostObject(
      'КоллекцияОбъектовМетаданных',
      {},
      {
        Найти: method(1, 1, (name) =>
          base.library.has(textOf(name)) ? new HostObject('ОбъектМетаданных') : undefined,
        ),
      },
    );
    return lowered<Value>({
      Константы: new HostObject('Константы', stored),
      ПараметрыСеанса: new HostObject('ПараметрыСеанса', parameters),
      РегистрыСведений: new HostObject('РегистрыСведений', { [register.name]: { get: () => this.#register() } }),
      Метаданные: new HostObject('Метаданные', {
        ОбщиеМодули: { get: () => modules },
        РегламентныеЗадания: { get: () => new HostObject('РегламентныеЗадания', jobs) },
      }),
    });
  }

  #register(): HostObject {
    const base = this.#base;
    const need = () => this.#needRights(`РегистрыСведений.${register.name}`);
    return new HostObject(
      'РегистрСведенийМенеджер',
      {},
      {
        СоздатьМенеджерЗаписи: method(0, 0, () => {
          need();
          return recordManager(base);
        }),
        Выбрать: method(0, 4, () => {
          need();
          const rows = [...base.register.values()];
          let row: Row | undefined;
          const current = () => row ?? blank();
          return new HostObject('Выборка', properties(current), {
            Следующий: method(0, 0, () => {
              row = rows.shift();
              return row !== undefined;
            }),
          });
        }),
        СоздатьНаборЗаписей: method(0, 0, () => {
          need();
          return new HostObject(
            'НаборЗаписей',
            {},
            {
              Записать: method(0, 1, () => {
                base.register.clear(); // without a filter and without records: nothing is left
                return undefined;
              }),
            },
          );
        }),
      },
    );
  }
}

const sessionKey = 'лицензииключсеанса';
const fields = [register.dimension, ...register.resources];
const blank = (): Row => Object.fromEntries(fields.map(({ name, type }) => [name, emptyOf(type)]));
const properties = (row: () => Row): Record<string, Property> =>
  Object.fromEntries(
    fields.map(({ name, type }): [string, Property] => [
      name,
      {
        get: () => row()[name],
        set: (value) => {
          row()[name] = fitting(name, type, value);
        },
      },
    ]),
  );

function recordManager(base: Infobase): HostObject {
  let row = blank();
  let isSelected = false;
  const key = () => textOf(row[register.dimension.name]);
  return new HostObject(
    'МенеджерЗаписи',
    properties(() => row),
    {
      Прочитать: method(0, 0, () => {
        const found = base.register.get(key());
        isSelected = found !== undefined;
        row = found === undefined ? blank() : { ...found };
        return undefined;
      }),
      Выбран: method(0, 0, () => isSelected),
      Записать: method(0, 1, () => {
        if (key() === '') throw new BslError('Поле Сеанс не заполнено'); // DenyIncompleteValues
        base.register.set(key(), { ...row });
        return undefined;
      }),
      Удалить: method(0, 0, () => {
        base.register.delete(key());
        return undefined;
      }),
    },
  );
}

function emptyOf(type: ValueType): Value {
  return type.kind === 'string' ? '' : BslDate.empty;
}
/** The platform cuts off what is too long; that would lose something unseen. */
function fitting(name: string, type: ValueType, value: Value): Value {
  const fits = type.kind === 'string' ? typeof value === 'string' : value instanceof BslDate;
  if (!fits) throw new StrictFault(`${name} cannot hold "${textOf(value)}"`);
  if (type.kind === 'string' && type.length > 0 && textOf(value).length > type.length) {
    throw new StrictFault(`${name} cannot hold ${textOf(value).length} characters`);
  }
  return value;
}

export function handledBy(frame: Frame | undefined): Error | undefined {
  for (let at = frame; at !== undefined; at = at.caller) if (at.handled !== undefined) return at.handled;
  return undefined;
}
