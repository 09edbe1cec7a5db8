import { describe, expect, it } from 'vitest';
import {
  ConfigFault,
  helpText,
  integer,
  listen,
  networks,
  oneOf,
  readConfig,
  text,
  textOr,
} from '../../../runtime/config.ts';

const settings = {
  APP_LISTEN: listen('where it listens', '127.0.0.1:8080'),
  APP_LEVEL: oneOf('how much it says', ['debug', 'info'], 'info'),
  APP_WORKERS: integer('parallel work', 4, 1, 64),
  APP_DIR: textOr('where its data is', '/data'),
  APP_URL: text('another server'),
};

describe('readConfig', () => {
  it('gives every setting its default when nothing is set', () => {
    expect(readConfig(settings, {})).toEqual({
      APP_LISTEN: { host: '127.0.0.1', port: 8080 },
      APP_LEVEL: 'info',
      APP_WORKERS: 4,
      APP_DIR: '/data',
      APP_URL: undefined,
    });
  });

  it('treats an empty variable as unset', () => {
    expect(readConfig(settings, { APP_DIR: '', APP_WORKERS: ' ' })).toMatchObject({ APP_DIR: '/data', APP_WORKERS: 4 });
  });

  it('reads an IPv6 address in brackets', () => {
    expect(readConfig(settings, { APP_LISTEN: '[::1]:9000' }).APP_LISTEN).toEqual({ host: '::1', port: 9000 });
  });

  it('reads addresses and networks, and names the one that is neither', () => {
    const proxies = { APP_PROXIES: networks('whose word counts') };
    expect(readConfig(proxies, { APP_PROXIES: '10.0.0.0/8, ::1,192.0.2.1' })).toEqual({
      APP_PROXIES: '10.0.0.0/8,::1,192.0.2.1',
    });
    expect(readConfig(proxies, {})).toEqual({ APP_PROXIES: undefined });
    for (const wrong of ['10.0.0.0/33', 'ingress', '10.0.0.1,,']) {
      expect(() => readConfig(proxies, { APP_PROXIES: wrong })).toThrow('neither an address nor a network');
    }
  });

  it('lists all faults at once, and variables that no setting names', () => {
    const read = () =>
      readConfig(settings, { APP_LISTEN: '8080', APP_LEVEL: 'loud', APP_WORKERS: '65', APP_WROKERS: '2', OTHER: 'x' }, [
        'APP_',
      ]);
    expect(read).toThrow(ConfigFault);
    try {
      read();
    } catch (error) {
      expect((error as ConfigFault).faults).toEqual([
        'APP_LISTEN must be host:port (for example 0.0.0.0:8080), not "8080"',
        'APP_LEVEL must be one of debug, info, not "loud"',
        'APP_WORKERS must be a whole number from 1 to 64, not "65"',
        'APP_WROKERS is not a setting',
      ]);
    }
  });

  it('accepts the bounds themselves', () => {
    expect(readConfig(settings, { APP_WORKERS: '64' }).APP_WORKERS).toBe(64);
    expect(readConfig(settings, { APP_WORKERS: '1' }).APP_WORKERS).toBe(1);
    expect(() => readConfig(settings, { APP_WORKERS: '0' })).toThrow('from 1 to 64');
  });
});

describe('helpText', () => {
  it('has one line a setting, with its default', () => {
    const help = helpText('app', 'does things', settings);
    for (const name of Object.keys(settings)) expect(help).toMatch(new RegExp(`^  ${name} .*`, 'm'));
    expect(help).toContain('[127.0.0.1:8080]');
  });
});

it('variables that Kubernetes makes for a Service of a like name are no faults', () => {
  const env = {
    LICENCE_SERVER_SERVICE_HOST: '10.0.0.1',
    LICENCE_SERVER_SERVICE_PORT_HTTP: '8080',
    LICENCE_SERVER_PORT: 'tcp://10.0.0.1:8080',
    LICENCE_SERVER_PORT_8080_TCP_ADDR: '10.0.0.1',
  };
  expect(() => readConfig({}, env, ['LICENCE_'])).not.toThrow();
  expect(() => readConfig({}, { LICENCE_LISTENN: 'x' }, ['LICENCE_'])).toThrow('LICENCE_LISTENN is not a setting');
});
