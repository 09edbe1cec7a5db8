import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort, startDaemon, until } from '../../cluster/process.ts';

/** A real Prometheus that scrapes and evaluates each second; what it is asked for and what it finds. */
export async function startPrometheus(
  program: string,
  scrapeConfigs: readonly Record<string, unknown>[],
  ruleFiles: readonly string[] = [],
) {
  const dir = mkdtempSync(join(tmpdir(), 'prometheus-'));
  mkdirSync(join(dir, 'data'));
  const address = `127.0.0.1:${await freePort()}`;
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    scrape_configs: scrapeConfigs,
    rule_files: ruleFiles,
  };
  writeFileSync(join(dir, 'prometheus.yml'), stringify(config));
  const daemon = await startDaemon(
    'prometheus',
    program,
    [
      `--config.file=${join(dir, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    { logFile: join(dir, 'prometheus.log') },
  );
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(10_000) });
    return ((await response.json()) as { data: T }).data;
  };
  await until('prometheus', 60_000, async () => (await fetch(`http://${address}/-/ready`)).ok, [daemon]);
  return {
    /** Values by labels of an instant query. */
    query: async (promql: string) =>
      (
        await get<{ result: { metric: Record<string, string>; value: [number, string] }[] }>(
          `/api/v1/query?query=${encodeURIComponent(promql)}`,
        )
      ).result,
    targets: async () =>
      (await get<{ activeTargets: { health: string; lastError: string }[] }>('/api/v1/targets')).activeTargets,
    stop: async () => {
      await daemon.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
