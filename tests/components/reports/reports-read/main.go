// Command reports-read reads reports as clients of their API do: into the types that are
// published for Go. A field that a type lacks is an error, because every client in Go
// would drop it.
//
//	reports-read < reports
//
// Reports stand one behind the other, as JSON. The answer is a line each: the report as
// the type writes it, so that a value which the type changes is seen as well, and a card
// for each result, as Policy Reporter 3.9 makes one of these types (pkg/openreports,
// pkg/report/result). Its own module would do that, but the Go module proxy does not
// serve github.com/kyverno/policy-reporter.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kyverno/kyverno/api/policyreport/v1alpha2"
	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
)

// card is a result as a user interface shows it.
type card struct {
	// ID is empty where it would be a hash: of the scope first, which a report of many
	// objects lacks.
	ID       string `json:"id"`
	Source   string `json:"source"`
	Category string `json:"category"`
	Severity string `json:"severity"`
	Result   string `json:"result"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
}

type answer struct {
	Report any    `json:"report"`
	Cards  []card `json:"cards"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "reports-read:", err)
		os.Exit(1)
	}
}

func run() error {
	in := json.NewDecoder(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		var text json.RawMessage
		if err := in.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := read(text)
		if err != nil {
			return err
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

func read(text []byte) (answer, error) {
	var head struct{ APIVersion, Kind string }
	if err := json.Unmarshal(text, &head); err != nil {
		return answer{}, err
	}
	switch head.APIVersion + " " + head.Kind {
	case "openreports.io/v1alpha1 ClusterReport":
		report := new(v1alpha1.ClusterReport)
		err := strictly(text, report)
		return answer{report, open(report.Results, report.Scope)}, err
	case "openreports.io/v1alpha1 Report":
		report := new(v1alpha1.Report)
		err := strictly(text, report)
		return answer{report, open(report.Results, report.Scope)}, err
	case "wgpolicyk8s.io/v1alpha2 ClusterPolicyReport":
		report := new(v1alpha2.ClusterPolicyReport)
		err := strictly(text, report)
		return answer{report, policy(report.Results, report.Scope)}, err
	case "wgpolicyk8s.io/v1alpha2 PolicyReport":
		report := new(v1alpha2.PolicyReport)
		err := strictly(text, report)
		return answer{report, policy(report.Results, report.Scope)}, err
	}
	return answer{}, fmt.Errorf("no report: %q %q", head.APIVersion, head.Kind)
}

func strictly(text []byte, report any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(report)
}

func open(results []v1alpha1.ReportResult, scope *corev1.ObjectReference) (cards []card) {
	for _, r := range results {
		cards = append(cards, of(r.Properties, r.Source, r.Category, string(r.Severity), string(r.Result), r.Subjects, scope))
	}
	return cards
}

func policy(results []v1alpha2.PolicyReportResult, scope *corev1.ObjectReference) (cards []card) {
	for _, r := range results {
		cards = append(cards, of(r.Properties, r.Source, r.Category, string(r.Severity), string(r.Result), r.Resources, scope))
	}
	return cards
}

// of takes the first resource, else the scope.
func of(properties map[string]string, source, category, severity, result string, resources []corev1.ObjectReference, scope *corev1.ObjectReference) card {
	if category == "" {
		category = "Other"
	}
	c := card{ID: properties["resultID"], Source: source, Category: category, Severity: severity, Result: result}
	if len(resources) > 0 {
		scope = &resources[0]
	}
	if scope != nil {
		c.Kind, c.Name = scope.Kind, scope.Name
	}
	return c
}
