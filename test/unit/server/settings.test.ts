import { expect, it } from 'vitest';
import { platformRefusal } from '../../../runtime/postgres/dataDirectory.ts';
import { dataDirOn } from '../../../server/settings.ts';

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
