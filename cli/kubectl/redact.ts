/** What no support bundle may hold, by its form; what stands for it tells what it was. */
const forms: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]+-----[\s\S]*?-----END [A-Z ]+-----/g, '[PEM]'],
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, '[JWS]'],
  [/\b[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){5}\b/gi, '[key]'],
  [/\b(postgres(?:ql)?|https?):\/\/[^\s/@:]*:[^\s@]*@/gi, '$1://[credentials]@'],
  [/\b(authorization|x-licence-token)(["']?\s*[:=]\s*["']?)(bearer\s+)?[^\s"',]+/gi, '$1$2[token]'],
];

/** Texts shorter than this are words, not secrets. */
const shortestSecret = 6;

/**
 * A text without secrets: those of a known form, and the given ones in plain, Base64 and URL encoding. Pure.
 * @param secrets values that are known to be secret, each with every line of it
 */
export function redact(text: string, secrets: readonly string[]): string {
  const known = secrets
    .flatMap((secret) => [secret, ...secret.split('\n')])
    .map((secret) => secret.trim())
    .filter((secret) => secret.length >= shortestSecret)
    .flatMap((secret) => [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)]);
  const longestFirst = [...new Set(known)].sort((a, b) => b.length - a.length);
  const without = longestFirst.reduce((rest, secret) => rest.replaceAll(secret, '[secret]'), text);
  return forms.reduce((rest, [form, instead]) => rest.replaceAll(form, instead), without);
}
