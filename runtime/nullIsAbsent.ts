import type { FastifySchemaCompiler } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { z } from 'zod';

/**
 * Validates by zod; a member of a body that is `null` counts as absent, since clients of many languages write an unset member
 * so, unless its schema takes `null` for something of its own.
 */
export const nullIsAbsent: FastifySchemaCompiler<z.ZodType> = (route) => {
  const validate = validatorCompiler(route);
  const shape = route.httpPart === 'body' ? shapeOf(route.schema) : undefined;
  if (shape === undefined) return validate;
  const absent = new Set(Object.keys(shape).filter((name) => !shape[name]?.safeParse(null).success));
  return (data: unknown) => {
    if (typeof data !== 'object' || data === null || Array.isArray(data)) return validate(data);
    const members = Object.entries(data).filter(([name, value]) => value !== null || !absent.has(name));
    return validate(Object.fromEntries(members));
  };
};

/** The members of an object's schema, also of one that may itself be absent. */
function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | undefined {
  if (schema instanceof z.ZodObject) return schema.shape as Record<string, z.ZodType>;
  const isWrapped = schema instanceof z.ZodOptional || schema instanceof z.ZodNullable;
  return isWrapped ? shapeOf(schema.unwrap() as z.ZodType) : undefined;
}
