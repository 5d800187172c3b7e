// Command reports-read reads reports as a client of their API does: into the types that
// the API publishes for Go. A field that a type lacks is an error, because every client
// in Go would drop it.
//
//	reports-read < reports
//
// Reports stand one behind the other, as JSON. The answer is a line each: the report as
// the type writes it, so that a value which the type changes is seen as well. How Policy
// Reporter makes cards of the types is read from them by the caller: its own module
// cannot be had from the Go module proxy.
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
)

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
		report, err := read(text)
		if err != nil {
			return err
		}
		if err := out.Encode(report); err != nil {
			return err
		}
	}
}

func read(text []byte) (any, error) {
	var head struct{ APIVersion, Kind string }
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	var report any
	switch head.APIVersion + " " + head.Kind {
	case "openreports.io/v1alpha1 ClusterReport":
		report = new(v1alpha1.ClusterReport)
	case "openreports.io/v1alpha1 Report":
		report = new(v1alpha1.Report)
	case "wgpolicyk8s.io/v1alpha2 ClusterPolicyReport":
		report = new(v1alpha2.ClusterPolicyReport)
	case "wgpolicyk8s.io/v1alpha2 PolicyReport":
		report = new(v1alpha2.PolicyReport)
	default:
		return nil, fmt.Errorf("no report: %q %q", head.APIVersion, head.Kind)
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(report); err != nil {
		return nil, fmt.Errorf("%s %s: %w", head.APIVersion, head.Kind, err)
	}
	return report, nil
}
