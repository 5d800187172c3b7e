// Command kubectl-reads tells which objects kubectl finds in a file. It reads
// as `kubectl apply -f` does, by the same builder: bytes to text, the stream of
// JSON or YAML documents, Lists taken apart. It asks no API server, so an object
// of a kind that no cluster has is told as well.
//
//	kubectl-reads < files
//
// Files stand one behind the other, each as four bytes of length, big-endian,
// and its bytes. The answer is a line a file: {"objects": [...], "error": "..."},
// the objects as kubectl would send them. An object behind the one that cannot
// be read is told where kubectl goes on to it.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
)

type answer struct {
	Objects []any  `json:"objects"`
	Error   string `json:"error,omitempty"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kubectl-reads:", err)
		os.Exit(1)
	}
}

func run() error {
	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for {
		var length uint32
		if err := binary.Read(in, binary.BigEndian, &length); err == io.EOF {
			return out.Flush()
		} else if err != nil {
			return err
		}
		file := make([]byte, length)
		if _, err := io.ReadFull(in, file); err != nil {
			return err
		}
		if err := encoder.Encode(read(file)); err != nil {
			return err
		}
		// The one who asks may wait for this answer before the next file.
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

func read(file []byte) (a answer) {
	a.Objects = []any{}
	// A panic of a reader is its refusal.
	defer func() {
		if p := recover(); p != nil {
			a.Error = fmt.Sprint("panic: ", p)
		}
	}()
	// As cli-runtime's FileVisitor reads a file.
	text := transform.NewReader(bytes.NewReader(file), unicode.BOMOverride(unicode.UTF8.NewDecoder()))
	err := resource.NewLocalBuilder().
		Unstructured().
		ContinueOnError().
		Stream(text, "file").
		Flatten().
		Do().
		Visit(func(info *resource.Info, err error) error {
			if err != nil {
				return err
			}
			if object, ok := info.Object.(*unstructured.Unstructured); ok {
				a.Objects = append(a.Objects, object.Object)
			} else {
				a.Objects = append(a.Objects, info.Object)
			}
			return nil
		})
	if err != nil {
		a.Error = err.Error()
	}
	return a
}
