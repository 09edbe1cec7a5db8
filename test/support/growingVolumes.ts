import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Product } from './product.ts';

/** A storage class whose volumes have a real limit and can grow; the cluster's own have neither. */
export const growingClass = 'growing';

/**
 * The node's part of it, a FlexVolume driver: the kubelet calls it to mount a volume and, when its claim has grown, to let the file
 * system follow. A volume is a tmpfs that stays until the node ends.
 * Source of the interface: kubernetes, pkg/volume/flexvolume/driver-call.go.
 */
const driver = `#!/bin/sh
exec 2>/dev/null
say() { echo "{\\"status\\":\\"$1\\"$2}"; exit 0; }
option() { printf %s "$2" | sed -n "s|.*\\"$1\\":\\"\\([^\\"]*\\)\\".*|\\1|p"; }
case $1 in
  init) say Success ',"capabilities":{"attach":false,"fsGroup":true,"requiresFSResize":true}' ;;
  mount)
    volume=/run/growing/$(option kubernetes.io/pvOrVolumeName "$3")
    mkdir -p "$volume" "$2" &&
      { mountpoint -q "$volume" || mount -t tmpfs -o "size=$(option bytes "$3")" growing "$volume"; } &&
      mount --bind "$volume" "$2" && say Success ;;
  unmount) umount "$2" && say Success ;;
  expandfs) mount -o "remount,size=$5" "/run/growing/$(option kubernetes.io/pvOrVolumeName "$2")" && say Success ;;
  *) say 'Not supported' ;;
esac
say Failure
`;

/** Makes the class, and a volume for one claim of it. @param bytes its size at first */
export async function prepareGrowingVolume(
  { cluster, kubectl }: Product,
  claim: { readonly namespace: string; readonly name: string },
  bytes: number,
): Promise<void> {
  // The kubelet sees the directory appear; it must be whole by then.
  const plugins = join(cluster.dir, 'node', 'plugins');
  const made = join(plugins, '.softonit~growing');
  mkdirSync(made);
  writeFileSync(join(made, 'growing'), driver);
  chmodSync(join(made, 'growing'), 0o755);
  renameSync(made, join(plugins, 'softonit~growing'));
  await kubectl.apply([
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: growingClass },
      provisioner: 'kubernetes.io/no-provisioner',
      allowVolumeExpansion: true,
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `${claim.namespace}-${claim.name}` },
      spec: {
        storageClassName: growingClass,
        capacity: { storage: String(bytes) },
        accessModes: ['ReadWriteOnce'],
        claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', ...claim },
        flexVolume: { driver: 'softonit/growing', options: { bytes: String(bytes) } },
      },
    },
  ]);
}
