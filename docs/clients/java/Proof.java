import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;

/** Verifies the proof of a check-out, with Java's own Ed25519: a server of the vendor has answered this very question. */
final class Proof {
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * The lease that the proof is of.
   *
   * @param jwks the vendor's keys from a place that you trust
   * @param product and nonce: of your check-out
   */
  static JsonNode verify(String proof, JsonNode jwks, String product, String nonce, Instant now) throws Exception {
    String activation = read(proof, 1).path("activation").asText();
    String kid = read(activation, 0).path("kid").asText();
    String vendor = null;
    for (JsonNode key : jwks.path("keys"))
      if (key.path("crv").asText().equals("Ed25519") && key.path("kid").asText().equals(kid)) vendor = key.path("x").asText();
    if (vendor == null) throw new GeneralSecurityException("the vendor's key is not trusted");
    JsonNode granted = verified(activation, "licence-activation+jwt", vendor);
    String server = granted.path("serverPublicKey").asText();
    JsonNode lease = verified(proof, "licence-lease+jwt", server);
    byte[] hash = MessageDigest.getInstance("SHA-256").digest(bytes(server));
    if (!read(proof, 0).path("kid").asText().equals("sha256:" + HexFormat.of().formatHex(hash)))
      throw new GeneralSecurityException("the proof names another server");
    JsonNode terms = granted.path("entitlements");
    if (!terms.path("product").asText().equals(product))
      throw new GeneralSecurityException("the activation is for another product");
    if (terms.has("expiresAt") && !Instant.parse(terms.get("expiresAt").asText()).isAfter(now))
      throw new GeneralSecurityException("the licence has ended");
    if (!lease.path("product").asText().equals(product) || !lease.path("nonce").asText().equals(nonce))
      throw new GeneralSecurityException("this answers another question");
    if (lease.has("exp") && lease.get("exp").asLong() <= now.getEpochSecond())
      throw new GeneralSecurityException("the lease has expired");
    return lease;
  }

  /** The payload of a compact JWS of this type, signed by the Ed25519 key x. */
  private static JsonNode verified(String token, String type, String x) throws Exception {
    JsonNode header = read(token, 0);
    if (!header.path("alg").asText().equals("EdDSA") || !header.path("typ").asText().equals(type))
      throw new GeneralSecurityException("not a " + type);
    byte[] prefix = HexFormat.of().parseHex("302a300506032b6570032100"); // of an Ed25519 key in X.509
    byte[] key = java.util.Arrays.copyOf(prefix, prefix.length + 32);
    System.arraycopy(bytes(x), 0, key, prefix.length, 32);
    Signature signature = Signature.getInstance("Ed25519");
    signature.initVerify(KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(key)));
    int end = token.lastIndexOf('.');
    signature.update(token.substring(0, end).getBytes("US-ASCII"));
    if (!signature.verify(bytes(token.substring(end + 1)))) throw new GeneralSecurityException(type + ": bad signature");
    return read(token, 1);
  }

  private static JsonNode read(String token, int part) throws Exception {
    String[] parts = token.split("\\.", -1);
    if (parts.length != 3) throw new GeneralSecurityException("not a signed token");
    return JSON.readTree(bytes(parts[part]));
  }

  private static byte[] bytes(String text) {
    return Base64.getUrlDecoder().decode(text);
  }
}
