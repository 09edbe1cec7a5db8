// Verifies an activation and a proof with each library by its usual call. Prints a line of JSON each: library, token, fault.
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createVerifier } from 'fast-jwt';
import { createLocalJWKSet, jwtVerify } from 'jose';
import jsonwebtoken from 'jsonwebtoken';

const given = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const pemOf = ({ keys }) => createPublicKey({ key: keys[0], format: 'jwk' }).export({ type: 'spki', format: 'pem' });
const libraries = {
  jose: async (token, keys) => (await jwtVerify(token, createLocalJWKSet(keys))).payload,
  'fast-jwt': async (token, keys) => createVerifier({ key: pemOf(keys), algorithms: ['EdDSA'] })(token),
  jsonwebtoken: async (token, keys) => jsonwebtoken.verify(token, pemOf(keys), { algorithms: ['EdDSA'] }),
};
for (const [library, decode] of Object.entries(libraries)) {
  for (const name of ['activation', 'proof']) {
    const { token, keys, member, value } = given[name];
    const fault = await decode(token, keys).then(
      (claims) => (claims[member] === value ? null : 'other claims'),
      (error) => `${error.name}: ${error.message}`,
    );
    console.log(JSON.stringify({ library, token: name, fault }));
  }
}
