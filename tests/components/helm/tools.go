//go:build tools

// Package tools names the Helm command that the tests run, so that go.mod and
// go.sum pin it.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
