/** The code of the verifier, read from the page that clients' authors copy it from. */
export function verifierIn(page: string): string {
  const [code] = [...page.matchAll(/```js\n([\s\S]+?)```/g)].map(([, text]) => text);
  if (code?.includes('export function verifyProof') !== true) throw new Error('docs/protocol.md has no verifier');
  return code;
}
