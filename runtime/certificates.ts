/** Whether a text holds certificates as PEM. */
export const holdsCertificates = (pem: string): boolean =>
  /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.test(pem);
