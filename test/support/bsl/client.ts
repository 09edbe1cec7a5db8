import { commonFunctions, commonProperties, commonTypes, lowered } from './globals.ts';
import type { Infobase, SessionRow } from './infobase.ts';
import { Interpreter, LoadedModule, ModuleReference, type Surroundings } from './interpreter.ts';
import { StrictFault } from './lexer.ts';
import { handledBy, ServerSide } from './serverSide.ts';
import type { Side } from './sources.ts';
import { acrossTheCall, BslError, HostObject, type Method, method, textOf, type Value, ValueList } from './values.ts';

export interface ClientOptions {
  readonly user: string;
  readonly computer?: string;
  /** ИмяПриложения; default: the thin client. */
  readonly application?: string;
  readonly isAdmin?: boolean;
  readonly connection?: string;
}

/** A window that waits for its user. */
interface Dialog {
  readonly text: string;
  readonly buttons: readonly { readonly value: Value; readonly text: string }[];
  readonly done: Notification | undefined;
}

/** Somebody's client, from its start to its end. */
export class Client {
  readonly row: SessionRow;
  readonly dialogs: Dialog[] = [];
  /** Texts that were shown and asked for nothing. */
  readonly notices: string[] = [];
  state: 'running' | 'ended' | 'killed' = 'running';
  /** The network to the server of 1C is gone. */
  isCutOff = false;
  /** While the exit handlers run, the platform forbids server calls. */
  #isExiting = false;
  readonly #base: Infobase;
  readonly #application: LoadedModule;
  readonly #interpreter: Interpreter;
  readonly surroundings: Surroundings;
  #idle: { readonly handler: string; readonly every: number; readonly once: boolean; dueAt: number }[] = [];

  private constructor(base: Infobase, options: ClientOptions) {
    this.#base = base;
    const application = options.application ?? '1CV8C';
    this.row = base.enter({
      application,
      user: options.user,
      computer: options.computer ?? `PC-${options.user}`,
      isAdmin: options.isAdmin ?? false,
      hasFullRights: false,
      connection: options.connection,
    });
    const side: Side = application === 'WebClient' ? 'web' : 'thin';
    const program = base.program(side);
    this.#application = new LoadedModule(program.application);
    this.surroundings = {
      functions: new Map([
        ...commonFunctions(
          () => handledBy(this.surroundings.frame),
          () => base.world.now,
        ),
        ...this.#functions(),
      ]),
      types: new Map([
        ...commonTypes(() => base.world.uuid()),
        ...lowered<Method>({
          ОписаниеОповещения: method(2, 3, (name, module) => this.#notification(textOf(name), module)),
        }),
      ]),
      properties: commonProperties(),
      modules: new Map([...program.local].map(([name, module]) => [name, new LoadedModule(module)])),
      serverModules: program.remote,
      application: this.#application,
      callServer: (module, routine, args) => this.#callServer(module, routine, args),
      executed: (module, line) => base.world.ran(module, line),
      frame: undefined,
    };
    this.#interpreter = new Interpreter(this.surroundings);
  }

  static async start(base: Infobase, options: ClientOptions): Promise<Client> {
    const client = new Client(base, options);
    await client.#interpreter.load(client.#application);
    await client.#event('ПриНачалеРаботыСистемы', []);
    return client;
  }

  /** The user closes the program. */
  async close(): Promise<void> {
    const refused: { value: Value } = { value: false };
    this.#isExiting = true;
    await this.#event('ПередЗавершениемРаботыСистемы', [refused, { value: '' }]);
    this.#isExiting = false;
    if (refused.value === true) await this.pass(1);
    else await this.#exit();
  }

  /** The process is gone; the cluster goes on to list its session, which falls asleep. */
  kill(): void {
    this.state = 'killed';
  }

  /** Idle handlers that have become due run. */
  async pass(seconds: number): Promise<void> {
    const now = this.#base.world.now.seconds;
    for (const due of this.#idle.filter(({ dueAt }) => dueAt <= now + seconds)) {
      if (this.state !== 'running') return;
      if (due.once) this.#idle = this.#idle.filter((other) => other !== due);
      else due.dueAt = now + seconds + due.every;
      await this.#interpreter.call(this.#application, due.handler, []);
    }
  }

  /** The user answers the oldest window. @param answer the text of a button; without: OK */
  async answer(answer?: string): Promise<void> {
    const dialog = this.dialogs.shift();
    if (dialog === undefined) throw new Error('there is no window to answer');
    const button = dialog.buttons.find(({ text }) => text === answer);
    if (dialog.buttons.length > 0 && button === undefined) throw new Error(`no button "${answer}"`);
    await dialog.done?.call(button === undefined ? [] : [button.value]);
  }

  /** Calls the server as the extension's modules do, or as another module of the configuration would. */
  async server(module: string, routine: string, ...args: Value[]): Promise<Value> {
    return new ServerSide(this.#base, this.row).call(module, routine, args);
  }

  async #exit(): Promise<void> {
    this.#isExiting = true;
    await this.#event('ПриЗавершенииРаботыСистемы', []);
    this.#isExiting = false;
    this.state = 'ended';
    this.#base.leave(this.row);
  }

  async #event(name: string, args: readonly { value: Value }[]): Promise<void> {
    for (const routine of this.#application.module.routines.values()) {
      if (routine.annotations.includes(`&После("${name}")`) || routine.name === name) {
        await this.#interpreter.call(this.#application, routine.name, args);
      }
    }
  }

  async #callServer(module: string, routine: string, args: readonly Value[]): Promise<Value> {
    if (this.#isExiting) throw new StrictFault('Серверные вызовы при завершении работы запрещены');
    if (this.isCutOff) throw new BslError('Соединение с сервером 1С:Предприятия аварийно завершено');
    if (this.state !== 'running') throw new StrictFault('a server call of a client that is gone');
    const result = await new ServerSide(this.#base, this.row).call(module, routine, args.map(acrossTheCall));
    return acrossTheCall(result);
  }

  #functions(): Map<string, Method> {
    const optional = (done: Value): Notification | undefined => {
      if (done !== undefined && !(done instanceof Notification))
        throw new StrictFault('an ОписаниеОповещения was expected');
      return done;
    };
    const noWindows = () => {
      if (this.#isExiting) throw new StrictFault('a window at the exit');
    };
    return lowered<Method>({
      ПодключитьОбработчикОжидания: method(2, 3, (handler, every, once) => {
        const name = textOf(handler);
        if (this.#application.module.routines.get(name.toLowerCase())?.exported !== true) {
          throw new StrictFault(`${name} is no exported procedure of the application's module`);
        }
        const seconds = Number(every);
        if (once !== true && seconds < 1) throw new BslError('Период обработчика ожидания меньше секунды');
        const rest = this.#idle.filter((idle) => idle.handler !== name);
        this.#idle = [
          ...rest,
          { handler: name, every: seconds, once: once === true, dueAt: this.#base.world.now.seconds + seconds },
        ];
        return undefined;
      }),
      ПоказатьПредупреждение: method(0, 4, (done, text) => {
        noWindows();
        this.dialogs.push({ text: textOf(text), buttons: [], done: optional(done) });
        return undefined;
      }),
      ПоказатьВопрос: method(3, 7, (done, text, buttons) => {
        noWindows();
        if (!(buttons instanceof ValueList)) throw new StrictFault('ПоказатьВопрос: only with a СписокЗначений');
        this.dialogs.push({ text: textOf(text), buttons: buttons.list, done: optional(done) });
        return undefined;
      }),
      ПоказатьОповещениеПользователя: method(1, 6, (text) => {
        noWindows();
        this.notices.push(textOf(text));
        return undefined;
      }),
      ЗавершитьРаботуСистемы: method(0, 3, async (askFirst) => {
        if (askFirst === false) await this.#exit();
        else await this.close();
        return undefined;
      }),
    });
  }

  #notification(name: string, module: Value): Notification {
    if (!(module instanceof ModuleReference)) throw new StrictFault('ОписаниеОповещения: only with a common module');
    const loaded = this.surroundings.modules.get(module.module.toLowerCase());
    const routine = loaded?.module.routines.get(name.toLowerCase());
    if (loaded === undefined || routine?.exported !== true)
      throw new StrictFault(`${module.module}.${name} is not exported`);
    return new Notification(routine.parameters.length, (args) =>
      this.#interpreter.call(
        loaded,
        name,
        [...args, undefined].map((value) => ({ value })),
      ),
    );
  }
}

/** What is called when a window is closed: the answer, if there is one, and then further parameters. */
class Notification extends HostObject {
  readonly #parameters: number;
  readonly #run: (args: readonly Value[]) => Promise<Value>;
  constructor(parameters: number, run: (args: readonly Value[]) => Promise<Value>) {
    super('ОписаниеОповещения');
    this.#parameters = parameters;
    this.#run = run;
  }
  async call(args: readonly Value[]): Promise<void> {
    if (args.length + 1 !== this.#parameters)
      throw new StrictFault(`a handler of ${this.#parameters} parameters gets ${args.length + 1}`);
    await this.#run(args);
  }
}
