import { z } from 'zod';
import { objectName } from './parts.ts';
import { annotations } from './shared.ts';

/** Where the server is reached: `spec.service`, `spec.ingress`. */

export const service = z.object({
  type: z
    .enum(['ClusterIP', 'NodePort', 'LoadBalancer'])
    .default('ClusterIP')
    .describe('Type of the Service. Default: ClusterIP.'),
  port: z.int().min(1).max(65_535).default(8080).describe('Port of the Service. Default: 8080. Bounds: 1 to 65535.'),
  annotations: annotations('Service'),
});

export const ingress = z.object({
  host: z
    .string()
    .min(1)
    .max(253)
    .regex(/^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
    .describe('Host name under which the server is reached.'),
  className: objectName().optional().describe("Ingress class. Default: the cluster's default class."),
  tlsSecretName: objectName().optional().describe("Secret with the host's certificate. Default: none, plain HTTP."),
  annotations: annotations('Ingress'),
});
