import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.nimbusds.jose.crypto.Ed25519Verifier;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jwt.SignedJWT;
import io.jsonwebtoken.Jwts;
import io.jsonwebtoken.security.Jwks;
import java.io.File;
import java.security.Key;
import java.util.Map;
import org.jose4j.jwa.AlgorithmConstraints;
import org.jose4j.jwk.JsonWebKeySet;
import org.jose4j.jwt.consumer.JwtConsumerBuilder;
import org.jose4j.keys.resolvers.JwksVerificationKeyResolver;

/** Verifies an activation and a proof with each library by its usual call. Prints a line of JSON each: library, token, fault. */
public class Verify {
  interface Decode {
    Object member(String token, String keys, String member) throws Exception;
  }

  static Object byNimbus(String token, String keys, String member) throws Exception {
    SignedJWT jwt = SignedJWT.parse(token);
    var key = JWKSet.parse(keys).getKeyByKeyId(jwt.getHeader().getKeyID()).toOctetKeyPair();
    if (!jwt.verify(new Ed25519Verifier(key))) throw new Exception("bad signature");
    return jwt.getJWTClaimsSet().getClaim(member);
  }

  static Object byJose4j(String token, String keys, String member) throws Exception {
    var consumer =
        new JwtConsumerBuilder()
            .setVerificationKeyResolver(new JwksVerificationKeyResolver(new JsonWebKeySet(keys).getJsonWebKeys()))
            .setJwsAlgorithmConstraints(AlgorithmConstraints.ConstraintType.PERMIT, "EdDSA")
            .build();
    return consumer.processToClaims(token).getClaimValue(member);
  }

  static Object byJjwt(String token, String keys, String member) throws Exception {
    var set = Jwks.setParser().build().parse(keys);
    var parser =
        Jwts.parser()
            .keyLocator(
                header -> {
                  String kid = String.valueOf(header.get("kid"));
                  for (var jwk : set.getKeys()) if (kid.equals(jwk.getId())) return (Key) jwk.toKey();
                  return null;
                })
            .build();
    return parser.parseSignedClaims(token).getPayload().get(member);
  }

  public static void main(String[] args) throws Exception {
    ObjectMapper json = new ObjectMapper();
    JsonNode given = json.readTree(new File(args[0]));
    Map<String, Decode> libraries = new java.util.LinkedHashMap<>();
    libraries.put("nimbus-jose-jwt", Verify::byNimbus);
    libraries.put("jose4j", Verify::byJose4j);
    libraries.put("jjwt", Verify::byJjwt);
    for (var each : libraries.entrySet()) {
      for (String name : new String[] {"activation", "proof"}) {
        JsonNode g = given.get(name);
        var line = json.createObjectNode().put("library", each.getKey()).put("token", name);
        try {
          Object value =
              each.getValue().member(g.get("token").asText(), g.get("keys").toString(), g.get("member").asText());
          if (g.get("value").asText().equals(value)) line.putNull("fault");
          else line.put("fault", "other claims");
        } catch (Throwable error) {
          line.put("fault", error.getClass().getSimpleName() + ": " + error.getMessage());
        }
        System.out.println(line);
      }
    }
  }
}
