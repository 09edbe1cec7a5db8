// Takes a seat, keeps it, reports a base, gives the seat back: by the client that oapi-codegen made of /openapi.json.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"sample/licence"

	"github.com/google/uuid"
)

// In docs/client.md
func withSeat(ctx context.Context, client *licence.ClientWithResponses, keys Jwks, work func(*licence.CheckOutResult) error) error {
	session, nonce := strconv.Itoa(os.Getpid()), rand.Text()
	holder := licence.Holder{Base: "trade", User: "anna", Host: "pc-1", Session: &session}
	answer, err := client.CheckOutWithResponse(ctx, licence.CheckOutRequest{Product: "erp", Holder: holder, Nonce: &nonce})
	if err != nil {
		return err
	}
	grant := answer.JSON201 // of a check-out that is repeated: JSON200
	if grant == nil {
		return fmt.Errorf("no seat: %s", answer.Body) // of 409 ApplicationproblemJSON409, with the counts of seats
	}
	defer client.GiveBackWithResponse(ctx, grant.LeaseId, nil)
	if _, err := VerifyProof(*grant.Proof, keys, "erp", nonce, time.Now()); err != nil {
		return err
	}
	return work(grant) // calls client.HeartbeatWithResponse whenever grant.HeartbeatAfterSeconds are over
}

// end

func report(ctx context.Context, client *licence.ClientWithResponses, users ...string) *licence.SessionReportResult {
	base, sessions := os.Args[3], []licence.ReportedSession{} // not nil, which would be sent as null
	for _, user := range users {
		sessions = append(sessions, licence.ReportedSession{Product: "erp", User: user, Host: "pc-2"})
	}
	answer := must(client.ReportSessionsWithResponse(ctx, base, licence.SessionReport{Base: &base, Sessions: sessions}))
	return needed(answer.JSON200, answer.Body)
}

func main() {
	ctx := context.Background()
	file := must(os.ReadFile(os.Args[2]))
	if os.Args[1] == "verify" {
		verify(file)
		return
	}
	var keys Jwks
	check(json.Unmarshal(file, &keys))
	client := must(licence.NewClientWithResponses(os.Args[1], licence.WithRequestEditorFn(
		func(_ context.Context, request *http.Request) error {
			request.Header.Set("Authorization", "Bearer "+os.Getenv("LICENCE_TOKEN"))
			return nil
		})))
	var leaseID uuid.UUID
	told := map[string]any{}
	check(withSeat(ctx, client, keys, func(grant *licence.CheckOutResult) error {
		leaseID = grant.LeaseId
		answer := must(client.HeartbeatWithResponse(ctx, leaseID))
		beat := needed(answer.JSON200, answer.Body)
		reported := report(ctx, client, "Борис", "vera")
		outcomes := []string{}
		for _, session := range reported.Sessions {
			outcomes = append(outcomes, session.Outcome)
		}
		other := licence.Holder{Base: "trade", User: "grigory", Host: "pc-3"}
		second := must(client.CheckOutWithResponse(ctx, licence.CheckOutRequest{Product: "erp", Holder: other}))
		refused := needed(second.ApplicationproblemJSON409, second.Body)
		told = map[string]any{
			"leaseId": leaseID, "expiresAt": grant.ExpiresAt, "support": grant.Support.State, "limit": grant.Seats.Limit,
			"beat": !beat.ExpiresAt.Before(*grant.ExpiresAt), "outcomes": outcomes, "base": reported.Base,
			"refused":  map[string]any{"reason": refused.Reason, "limit": refused.Seats.Limit, "inUse": refused.Seats.InUse},
			"released": report(ctx, client).Released,
		}
		return nil
	}))
	lost := must(client.HeartbeatWithResponse(ctx, leaseID))
	told["afterwards"] = needed(lost.ApplicationproblemJSON410, lost.Body).Reason
	check(json.NewEncoder(os.Stdout).Encode(told))
}

func verify(file []byte) {
	var cases []struct {
		Proof, Product, Nonce string
		Jwks                  Jwks
		Now                   int64
	}
	check(json.Unmarshal(file, &cases))
	for _, each := range cases {
		var told any
		lease, err := VerifyProof(each.Proof, each.Jwks, each.Product, each.Nonce, time.Unix(each.Now, 0))
		if err != nil {
			told = map[string]string{"refused": err.Error()}
		} else {
			told = lease.LeaseID
		}
		check(json.NewEncoder(os.Stdout).Encode(told))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func needed[T any](value *T, body []byte) *T {
	if value == nil {
		check(fmt.Errorf("another answer: %s", body))
	}
	return value
}
