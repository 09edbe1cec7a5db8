import static com.fasterxml.jackson.databind.DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.time.Instant;
import java.util.Arrays;
import java.util.Map;
import java.util.UUID;
import licence.ApiClient;
import licence.ApiException;
import licence.api.SeatsApi;
import licence.model.*;

/** Takes a seat, keeps it, reports a base, gives the seat back: by the client that openapi-generator made of /openapi.json. */
public class Sample {
  interface Work<T> {
    T with(CheckOutResult grant) throws Exception;
  }

  // In docs/client.md
  static <T> T withSeat(SeatsApi seats, JsonNode keys, Work<T> work) throws Exception {
    String nonce = UUID.randomUUID().toString(), session = String.valueOf(ProcessHandle.current().pid());
    Holder holder = new Holder().base("trade").user("anna").host("pc-1").session(session);
    CheckOutResult grant = seats.checkOut(new CheckOutRequest().product("erp").holder(holder).nonce(nonce));
    try {
      Proof.verify(grant.getProof(), keys, "erp", nonce, Instant.now());
      return work.with(grant); // calls seats.heartbeat whenever grant.getHeartbeatAfterSeconds() are over
    } finally {
      seats.giveBack(grant.getLeaseId(), null);
    }
  }

  static SeatProblem problem(ApiException refused) throws Exception { // of 409 with the counts of seats
    return new ObjectMapper().readerFor(SeatProblem.class).without(FAIL_ON_UNKNOWN_PROPERTIES).readValue(refused.getResponseBody());
  }
  // end

  static SessionReportResult report(SeatsApi seats, String base, String... users) throws ApiException {
    var sessions = Arrays.stream(users).map(user -> new ReportedSession().product("erp").user(user).host("pc-2")).toList();
    return seats.reportSessions(base, new SessionReport().base(base).sessions(sessions));
  }

  static Map<String, Object> work(SeatsApi seats, String base, CheckOutResult grant) throws Exception {
    Heartbeat beat = seats.heartbeat(grant.getLeaseId());
    SessionReportResult reported = report(seats, base, "Борис", "vera");
    SeatProblem refused = null;
    try {
      Holder other = new Holder().base("trade").user("grigory").host("pc-3");
      seats.checkOut(new CheckOutRequest().product("erp").holder(other));
    } catch (ApiException refusal) {
      refused = problem(refusal);
    }
    return new java.util.HashMap<>(
        Map.of(
            "leaseId", grant.getLeaseId().toString(),
            "expiresAt", grant.getExpiresAt().toString(),
            "support", grant.getSupport().getState(),
            "limit", grant.getSeats().getLimit(),
            "beat", !beat.getExpiresAt().isBefore(grant.getExpiresAt()),
            "outcomes", reported.getSessions().stream().map(SessionResult::getOutcome).toList(),
            "refused", Map.of("reason", refused.getReason(), "limit", refused.getSeats().getLimit(), "inUse", refused.getSeats().getInUse()),
            "released", report(seats, base).getReleased(),
            "base", reported.getBase()));
  }

  public static void main(String[] args) throws Exception {
    ObjectMapper json = new ObjectMapper();
    JsonNode file = json.readTree(new File(args[1]));
    if (args[0].equals("verify")) {
      for (JsonNode one : file) {
        Object told;
        try {
          Instant now = Instant.ofEpochSecond(one.get("now").asLong());
          String product = one.get("product").asText(), nonce = one.get("nonce").asText();
          told = Proof.verify(one.get("proof").asText(), one.get("jwks"), product, nonce, now).get("leaseId").asText();
        } catch (Exception error) {
          told = Map.of("refused", String.valueOf(error.getMessage()));
        }
        System.out.println(json.writeValueAsString(told));
      }
      return;
    }
    ApiClient client = new ApiClient();
    client.updateBaseUri(args[0]);
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + System.getenv("LICENCE_TOKEN")));
    SeatsApi seats = new SeatsApi(client);
    Map<String, Object> done = withSeat(seats, file, grant -> work(seats, args[2], grant));
    try {
      seats.heartbeat(UUID.fromString((String) done.get("leaseId")));
    } catch (ApiException lost) {
      done.put("afterwards", problem(lost).getReason());
    }
    System.out.println(json.writeValueAsString(done));
  }
}
