import { join } from 'node:path';
import { migrate } from '../../../../runtime/migrate.ts';
import type { Template } from '../../../support/testDatabase.ts';

/** A database with the server's schema and nothing in it. */
export const ledgerTemplate: Template = {
  name: 'licence_server',
  prepare: async (url) => {
    await migrate(
      { connectionString: url },
      join(import.meta.dirname, '..', '..', '..', '..', 'server', 'db', 'migrations'),
    );
  },
};
