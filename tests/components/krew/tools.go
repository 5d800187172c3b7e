//go:build tools

// Package tools names the installer of kubectl's plugins that the tests run, so
// that go.mod and go.sum pin it.
package tools

import _ "sigs.k8s.io/krew/cmd/krew"
