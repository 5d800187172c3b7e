package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// columns of the table, in their order.
var columns = []string{
	"driver", "driver_version", "call", "mount_flags", "volume_context", "readonly", "access_mode", "fstype_arg",
	"options", "helper_options", "error", "note",
}

// row is a line of the table, by column.
type row map[string]string

// sample is the driver whose lists are asked of a driver that the table does not have.
const sample = "nfs.csi.k8s.io"

// rowsOf reads a table.
func rowsOf(path string) ([]row, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if lines[0] != strings.Join(columns, "\t") {
		return nil, fmt.Errorf("%s: the first line does not name the columns %s", path, strings.Join(columns, ", "))
	}
	var rows []row
	for number, line := range lines[1:] {
		fields := strings.Split(line, "\t")
		if len(fields) != len(columns) {
			return nil, fmt.Errorf("%s:%d: %d columns, %d expected", path, number+2, len(fields), len(columns))
		}
		read := row{}
		for index, column := range columns {
			read[column] = fields[index]
		}
		rows = append(rows, read)
	}
	return rows, nil
}

// key tells calls apart.
func (r row) key() string {
	parts := []string{r["call"], r["mount_flags"], r["volume_context"], r["readonly"], r["access_mode"]}
	return strings.Join(parts, "\t")
}

// asCall turns a row into the call that it holds.
func (r row) asCall() (call, error) {
	asked := call{Call: r["call"], Readonly: r["readonly"] == "true", AccessMode: r["access_mode"]}
	if asked.AccessMode == "" {
		asked.AccessMode = "MULTI_NODE_MULTI_WRITER"
	}
	if err := json.Unmarshal([]byte(r["mount_flags"]), &asked.MountFlags); err != nil {
		return call{}, fmt.Errorf("mount_flags %s: %w", r["mount_flags"], err)
	}
	if err := json.Unmarshal([]byte(r["volume_context"]), &asked.VolumeContext); err != nil {
		return call{}, fmt.Errorf("volume_context %s: %w", r["volume_context"], err)
	}
	return asked, nil
}

// calls picks the calls of a driver out of the table: each once, with the row that it is
// compared with. For a driver that the table does not have they are the lists of another
// one, with the given attributes.
func calls(rows []row, driver *driver, attributes string) ([]row, error) {
	name := driver.name
	isKnown := slices.ContainsFunc(rows, func(r row) bool { return r["driver"] == name })
	if !isKnown {
		if attributes == "" {
			return nil, fmt.Errorf("the table has no %s: --context must give the attributes of a volume that it can mount", name)
		}
		name = sample
	}
	var picked []row
	seen := map[string]bool{}
	for _, r := range rows {
		if r["driver"] != name || r["call"] != "stage" && r["call"] != "publish" {
			continue
		}
		asked := row{}
		for column, value := range r {
			asked[column] = value
		}
		if !isKnown {
			asked["call"], asked["driver_version"] = "publish", ""
			if driver.isStaged {
				asked["call"] = "stage"
			}
		}
		if attributes != "" {
			asked["volume_context"] = attributes
		}
		if !seen[asked.key()] && (isKnown || !strings.HasPrefix(r["note"], "after /mutate")) {
			seen[asked.key()] = true
			picked = append(picked, asked)
		}
	}
	return picked, nil
}

// answered is the row of a call and its answer.
func (r row) answered(driver *driver, answer answer, note string) row {
	result := row{}
	for _, column := range []string{"call", "mount_flags", "volume_context", "readonly", "access_mode"} {
		result[column] = r[column]
	}
	result["driver"], result["driver_version"] = driver.name, driver.version
	result["fstype_arg"], result["options"], result["error"] = answer.FsType, answer.Options, answer.Error
	result["note"] = note
	return result
}

// line writes a row in the table's form.
func (r row) line() string {
	fields := make([]string, len(columns))
	for index, column := range columns {
		fields[index] = strings.NewReplacer("\t", " ", "\n", " ").Replace(r[column])
	}
	return strings.Join(fields, "\t")
}

// differs tells where an answer is another than the table's.
func (r row) differs(now row) string {
	var told bytes.Buffer
	if r["options"] != now["options"] {
		fmt.Fprintf(&told, "  options were %q, are %q\n", r["options"], now["options"])
	}
	// The programs that record never fail as a real mount does.
	isMounts := strings.HasPrefix(r["error"], "mount failed") || strings.Contains(r["error"], "special device")
	if (r["error"] == "") != (now["error"] == "") && !isMounts {
		fmt.Fprintf(&told, "  the error was %q, is %q\n", r["error"], now["error"])
	}
	return told.String()
}
