import { readFileSync } from 'node:fs';
import { request as plain } from 'node:http';
import { request as secured } from 'node:https';
import { lowered } from './globals.ts';
import { StrictFault } from './lexer.ts';
import {
  BslArray,
  BslDate,
  BslError,
  BslMap,
  EnumValue,
  HostObject,
  type Method,
  method,
  Structure,
  textOf,
  type Value,
} from './values.ts';

/**
 * HTTP and JSON as the platform has them: real requests, redirects are not followed, a body comes as text of a named encoding, a
 * connection that fails is an exception.
 */
export const httpTypes = (sent: (what: string) => void): Map<string, Method> =>
  lowered<Method>({
    HTTPЗапрос: method(1, 2, (address, headers) => new HttpRequest(textOf(address), headers)),
    HTTPСоединение: method(1, 9, (host, port, user, password, proxy, timeout, security) => {
      if (user !== undefined || password !== undefined || proxy !== undefined)
        throw new StrictFault('HTTPСоединение: not used');
      return connection(textOf(host), port, timeout, security, sent);
    }),
    ЗащищенноеСоединениеOpenSSL: method(0, 2, (own, authorities) => {
      if (own !== undefined)
        throw new StrictFault('ЗащищенноеСоединениеOpenSSL: a certificate of the client is not used');
      // the platform verifies nothing without authorities: that must not happen
      if (!(authorities instanceof Authorities))
        throw new StrictFault('ЗащищенноеСоединениеOpenSSL without authorities verifies nothing');
      return new Secured(authorities);
    }),
    СертификатыУдостоверяющихЦентровОС: method(0, 0, () => new Authorities(undefined)),
    СертификатыУдостоверяющихЦентровФайл: method(1, 1, (file) => new Authorities(textOf(file))),
    ЗаписьJSON: method(0, 0, () => new JsonWriter()),
    ЧтениеJSON: method(0, 0, () => new JsonReader()),
    ПараметрыЗаписиJSON: method(1, 1, () => new HostObject('ПараметрыЗаписиJSON')),
  });

export const jsonFunctions: Map<string, Method> = lowered<Method>({
  ЗаписатьJSON: method(2, 2, (writer, value) => {
    if (!(writer instanceof JsonWriter)) throw new StrictFault('ЗаписатьJSON needs a ЗаписьJSON');
    writer.text = JSON.stringify(toJson(value));
    return undefined;
  }),
  ПрочитатьJSON: method(1, 2, (reader, asMap) => {
    if (!(reader instanceof JsonReader)) throw new StrictFault('ПрочитатьJSON needs a ЧтениеJSON');
    return fromJson(reader.parsed(), asMap === true);
  }),
});

class Authorities extends HostObject {
  readonly file: string | undefined;
  constructor(file: string | undefined) {
    super('СертификатыУдостоверяющихЦентров');
    this.file = file;
  }
}
class Secured extends HostObject {
  readonly authorities: Authorities;
  constructor(authorities: Authorities) {
    super('ЗащищенноеСоединениеOpenSSL');
    this.authorities = authorities;
  }
}

class HttpRequest extends HostObject {
  readonly address: string;
  readonly headers: BslMap;
  body: Buffer | undefined;
  constructor(address: string, headers: Value) {
    const map = headers instanceof BslMap ? headers : new BslMap();
    super(
      'HTTPЗапрос',
      { Заголовки: { get: () => map } },
      {
        УстановитьТелоИзСтроки: method(1, 3, (text, encoding, mark) => {
          if (!(encoding instanceof EnumValue) || encoding.name !== 'UTF8')
            throw new StrictFault('the body is not sent in UTF-8');
          const withMark = !(mark instanceof EnumValue) || mark.name !== 'НеИспользовать';
          this.body = Buffer.from(`${withMark ? '\uFEFF' : ''}${textOf(text)}`);
          return undefined;
        }),
      },
    );
    this.address = address;
    this.headers = map;
  }
}

function connection(
  host: string,
  port: Value,
  timeout: Value,
  security: Value,
  sent: (what: string) => void,
): HostObject {
  if (typeof timeout !== 'number' || timeout <= 0) throw new StrictFault('HTTPСоединение without a time limit');
  if (security !== undefined && !(security instanceof Secured))
    throw new StrictFault('HTTPСоединение: that is no protection');
  return new HostObject(
    'HTTPСоединение',
    {},
    {
      ВызватьHTTPМетод: method(2, 3, (verb, request) => {
        if (!(request instanceof HttpRequest)) throw new StrictFault('ВызватьHTTPМетод needs an HTTPЗапрос');
        sent(`${textOf(verb)} ${request.address}`);
        return call(host, Number(port), timeout, security as Secured | undefined, textOf(verb), request);
      }),
    },
  );
}

function call(
  host: string,
  port: number,
  seconds: number,
  security: Secured | undefined,
  verb: string,
  request: HttpRequest,
) {
  const headers = Object.fromEntries(request.headers.entries.map(([name, value]) => [textOf(name), textOf(value)]));
  const { file } = security?.authorities ?? {};
  const options = {
    host,
    port,
    method: verb,
    path: request.address,
    headers: {
      'User-Agent': '1C+Enterprise/8.3',
      ...(request.body ? { 'Content-Length': request.body.length } : {}),
      ...headers,
    },
    agent: false as const,
    ...(file === undefined ? {} : { ca: certificatesIn(file) }),
  };
  return new Promise<HostObject>((resolve, reject) => {
    const failed = (error: Error) => reject(new BslError(`Ошибка работы с Интернет: ${error.message}`));
    const outgoing = (security ? secured : plain)(options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk) => chunks.push(chunk));
      incoming.on('error', failed);
      incoming.on('end', () => {
        const map = new BslMap();
        for (let i = 0; i < incoming.rawHeaders.length; i += 2)
          map.insert(incoming.rawHeaders[i], incoming.rawHeaders[i + 1]);
        const body = Buffer.concat(chunks);
        resolve(
          new HostObject(
            'HTTPОтвет',
            { КодСостояния: { get: () => incoming.statusCode }, Заголовки: { get: () => map } },
            {
              ПолучитьТелоКакСтроку: method(0, 1, (encoding) => {
                if (!(encoding instanceof EnumValue) || encoding.name !== 'UTF8')
                  throw new StrictFault('the body is not read as UTF-8');
                return body.toString('utf8');
              }),
            },
          ),
        );
      });
    });
    outgoing.setTimeout(seconds * 1000, () => outgoing.destroy(new Error('Превышено время ожидания')));
    outgoing.on('error', failed);
    outgoing.end(request.body);
  });
}

function certificatesIn(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    throw new BslError(`Ошибка при чтении файла сертификатов ${file}`);
  }
}

class JsonWriter extends HostObject {
  text = '';
  constructor() {
    super(
      'ЗаписьJSON',
      {},
      {
        УстановитьСтроку: method(0, 1, () => undefined),
        Закрыть: method(0, 0, () => this.text),
      },
    );
  }
}
class JsonReader extends HostObject {
  #text = '';
  constructor() {
    super(
      'ЧтениеJSON',
      {},
      {
        УстановитьСтроку: method(1, 1, (text) => {
          this.#text = textOf(text);
          return undefined;
        }),
        Закрыть: method(0, 0, () => undefined),
      },
    );
  }
  parsed(): unknown {
    try {
      return JSON.parse(this.#text);
    } catch {
      throw new BslError('Непредвиденный символ при чтении JSON');
    }
  }
}

function toJson(value: Value): unknown {
  if (value === undefined) return null;
  if (value instanceof BslDate) return value.iso;
  if (value instanceof Structure) {
    return Object.fromEntries([...value.fields.values()].map(({ name, value: v }) => [name, toJson(v)]));
  }
  if (value instanceof BslMap) return Object.fromEntries(value.entries.map(([k, v]) => [textOf(k), toJson(v)]));
  if (value instanceof BslArray) return value.list.map(toJson);
  if (value instanceof EnumValue || value instanceof HostObject) {
    throw new BslError(`Передано недопустимое значение для записи в JSON: ${textOf(value)}`);
  }
  return value;
}
function fromJson(value: unknown, asMap: boolean): Value {
  if (value === null) return undefined;
  if (Array.isArray(value)) return new BslArray(value.map((v) => fromJson(v, asMap)));
  if (typeof value === 'object') {
    const into = asMap ? new BslMap() : new Structure();
    for (const [name, v] of Object.entries(value as object)) into.insert(name, fromJson(v, asMap));
    return into;
  }
  return value as string | number | boolean;
}
