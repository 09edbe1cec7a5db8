import { expect, it } from 'vitest';
import { readConfig } from '../../../runtime/config.ts';
import { platformRefusal } from '../../../runtime/postgres/dataDirectory.ts';
import { dataDirOn, settings } from '../../../server/settings.ts';

it('the data directory is where each platform keeps data of services', () => {
  expect(dataDirOn('linux', {})).toBe('/var/Softonit/Licence Server');
  expect(dataDirOn('darwin', { ProgramData: 'D:\\Data' })).toBe('/var/Softonit/Licence Server');
  expect(dataDirOn('win32', {})).toBe('C:\\ProgramData\\Softonit\\Licence Server');
  expect(dataDirOn('win32', { ProgramData: 'D:\\Data' })).toBe('D:\\Data\\Softonit\\Licence Server');
});

it('on Windows the embedded database is refused with what to use instead', () => {
  expect(platformRefusal('win32')).toMatch(/Windows has not: set DATABASE_URL/);
  expect(platformRefusal('linux')).toBeUndefined();
});

it.each([
  ['LICENCE_LEASE_SECONDS', '9'],
  ['LICENCE_STALE_AFTER_SECONDS', '59'],
])('%s is not taken below the bound that a LicenceServer has', (name, value) => {
  expect(() => readConfig(settings, { [name]: value }, [])).toThrow(name);
  expect(() => readConfig(settings, { [name]: String(Number(value) + 1) }, [])).not.toThrow();
});
