/** An OpenAPI document with each reference to a schema replaced by the schema. None of ours is recursive. */
export function dereferenced(document: unknown): unknown {
  const { components } = document as { components: { schemas: Record<string, unknown> } };
  const open = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(open);
    if (typeof part !== 'object' || part === null) return part;
    const { $ref } = part as { $ref?: unknown };
    if (typeof $ref !== 'string')
      return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, open(value)]));
    const name = $ref.replace('#/components/schemas/', '');
    if (components.schemas[name] === undefined) throw new Error(`the document has no schema ${name}`);
    return open(components.schemas[name]);
  };
  return open(document);
}
