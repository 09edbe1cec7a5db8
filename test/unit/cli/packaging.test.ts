import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { repository } from '../../support/sources.ts';

const read = (file: string) => readFileSync(join(repository, 'packaging', file), 'utf8');
const help = execFileSync(process.execPath, [join(repository, 'cli/licence.ts'), 'report-cluster', '--help'], {
  encoding: 'utf8',
});
const unknown = (words: readonly string[]) =>
  words
    .filter((word) => /^(--[a-z-]+|LICENCE_[A-Z_]+)$/.test(word))
    .filter((word) => !new RegExp(`${word}\\b`).test(help));

it('the unit of systemd calls report-cluster by options and settings that it has', () => {
  const unit = read('licence-report-cluster.service');
  const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? [];
  expect(command).toContain('licence report-cluster');
  const words = [...command.split(' '), ...(unit.match(/LICENCE_[A-Z_]+/g) ?? [])];
  expect(words.filter((word) => word.startsWith('LICENCE_')).length).toBeGreaterThan(3);
  expect(unknown(words)).toEqual([]);
});

it('the Deployment does, too', () => {
  const { kind, spec } = parse(read('licence-report-cluster.yaml'));
  const [container] = spec.template.spec.containers;
  expect([kind, spec.replicas, container.command.slice(0, 2)]).toEqual([
    'Deployment',
    1,
    ['licence', 'report-cluster'],
  ]);
  const names = container.env.map((e: { name: string }) => e.name);
  expect(names).toContain('LICENCE_RAC');
  expect(unknown([...container.command, ...names])).toEqual([]);
  expect(spec.selector.matchLabels).toEqual(spec.template.metadata.labels);
});
