import { z } from 'zod';
import { durationPattern } from '../../../../licence/duration.ts';

/**
 * Pieces that the LicenceServer schema is put together from: names, durations and quantities with their bounds, and the
 * rules (CEL) that the API server checks. A piece knows its JSON Schema; nothing here knows a licence.
 */

/** One CEL rule of a field, in the CRD's own words. */
export interface Rule {
  readonly rule: string;
  readonly message: string;
  readonly reason?: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired' | 'FieldValueDuplicate';
}

/** Attaches CEL rules to a schema. Attach them before `.optional()` and the like. */
export const withRules = <S extends z.ZodType>(schema: S, ...rules: readonly Rule[]): S =>
  schema.meta({ ...schema.meta(), 'x-kubernetes-validations': rules }) as S;

/** A list whose items are told apart by `key`, so that several appliers can share it. */
export const listMap = <S extends z.ZodType>(schema: S, key: string): S =>
  schema.meta({
    ...schema.meta(),
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': [key],
  }) as S;

/** A list of scalars without repetition. */
export const listSet = <S extends z.ZodType>(schema: S): S =>
  schema.meta({ ...schema.meta(), 'x-kubernetes-list-type': 'set' }) as S;

/** A list that is always replaced as a whole. */
export const listAtomic = <S extends z.ZodType>(schema: S): S =>
  schema.meta({ ...schema.meta(), 'x-kubernetes-list-type': 'atomic' }) as S;

/**
 * One of some words, to which a later version may add. In the CRD it is a text, and its description has the words: code that was
 * generated from today's would otherwise not read the status that tomorrow's operator writes.
 */
export const growing = <const V extends readonly [string, ...string[]]>(words: V, description: string) =>
  z.enum(words).meta({ growing: true, description: `${description} One of ${words.join(', ')}, or a later one.` });

/** The name of a namespaced object: a DNS subdomain. */
export const objectName = () =>
  z
    .string()
    .min(1)
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);

/** A name within this resource: a DNS label, since it becomes a file name and a part of other names. */
export const label = () =>
  z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);

/** A key in a Secret or ConfigMap. */
export const dataKey = () =>
  z
    .string()
    .min(1)
    .max(253)
    .regex(/^[-._a-zA-Z0-9]+$/);

/** Hours, minutes and seconds as Go writes them: `90s`, `30m`, `1h30m`. */
/** A duration within bounds, both inclusive and themselves durations. */
export const durationText = (min: string, max: string) =>
  withRules(z.string().min(2).max(16).regex(durationPattern), {
    rule: `duration(self) >= duration('${min}') && duration(self) <= duration('${max}')`,
    message: `must be a duration from ${min} to ${max}`,
    reason: 'FieldValueInvalid',
  });

/** A Kubernetes quantity written as text, such as `1Gi`, not below `min`. */
export const quantityText = (min: string) =>
  withRules(z.string().min(1).max(32), {
    rule: `isQuantity(self) && quantity(self).compareTo(quantity('${min}')) >= 0`,
    message: `must be a quantity of at least ${min}`,
    reason: 'FieldValueInvalid',
  });

/** A quantity as Kubernetes itself takes it: a number or text. */
export const quantity = () =>
  z.union([z.int(), z.string().max(32)]).meta({
    'x-kubernetes-int-or-string': true,
  });

/** Anything that Kubernetes' own schema describes better than a copy of it would. */
export const anyObject = () => z.looseObject({}).meta({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true });

/** A moment, RFC 3339. */
export const moment = () => z.string().meta({ format: 'date-time' });

const word = '[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?';
/** The name of a label or annotation: `team`, `example.org/team`. */
const qualifiedName = `^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?${word}$`;
const isOurs = /^app\.kubernetes\.io\/(name|instance|component|managed-by)$|^licensing\.softonit\.ru\//;

/** What is wrong with a label or annotation, as one sentence; undefined: nothing. The CEL rules below say the same. */
export function markFault(kind: 'label' | 'annotation', name: string, value: string): string | undefined {
  if (!new RegExp(qualifiedName).test(name) || (name.split('/').pop() ?? '').length > 63)
    return `"${name}" is no name of a ${kind}; write it as team or example.org/team`;
  if (isOurs.test(name)) return `${kind} ${name} is set by the operator itself; choose another name`;
  if (kind === 'label' && (value.length > 63 || !new RegExp(`^(${word})?$`).test(value)))
    return `label ${name} has the value "${value}", which is none: at most 63 letters, digits, "-", "_" or ".", the first and last a letter or digit`;
  return undefined;
}

const markNames = {
  rule: `self.all(name, size(name) <= 317 && name.matches('${qualifiedName}'))`,
  message: 'each name must be one of a label or annotation, such as team or example.org/team',
  reason: 'FieldValueInvalid',
} as const;
const markForeign = {
  rule: "self.all(name, !name.startsWith('licensing.softonit.ru/') && !(name in ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/component', 'app.kubernetes.io/managed-by']))",
  message: 'labels and annotations that the operator sets itself cannot be set otherwise',
  reason: 'FieldValueForbidden',
} as const;
const labelValues = {
  rule: `self.all(name, self[name].matches('^(${word})?$'))`,
  message:
    'each value must be one of a label: at most 63 letters, digits, "-", "_" or ".", the first and last a letter or digit',
  reason: 'FieldValueInvalid',
} as const;

const bounded = <S extends z.ZodType>(schema: S): S => schema.meta({ ...schema.meta(), maxProperties: 32 }) as S;

/** Labels for objects: names and values as Kubernetes takes them, at most 32. */
export const labelMap = () =>
  withRules(bounded(z.record(z.string(), z.string().max(63))), markNames, markForeign, labelValues);

/** Annotations for objects, at most 32. */
export const annotationMap = () =>
  withRules(bounded(z.record(z.string(), z.string().max(4096))), markNames, markForeign);
