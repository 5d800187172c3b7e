// Command csi-calls asks the node plugin of a CSI driver for volumes, and writes what the
// driver gave to mount as rows of tests/driver-truth/rows.tsv.
//
//	csi-calls --socket PATH --programs FOLDER --table FILE [--context JSON] [--note TEXT] [--fstype TYPE]
//
// Programs named mount, mount.nfs and so on, which stand first in the driver's PATH, append
// a line to FOLDER/calls for each of their runs. The calls are those that the table holds
// for the driver of that name; for another one they are the lists of csi-driver-nfs, with
// the attributes of --context. Differences from the table go to standard error; the status
// is 1 if there is one, 2 for a fault of the flags, and 3 if the driver cannot be asked.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

// call is what the kubelet would ask for.
type call struct {
	Call          string
	MountFlags    []string
	VolumeContext map[string]string
	Readonly      bool
	AccessMode    string
	FsType        string
}

// answer is what became of a call.
type answer struct {
	Options string
	FsType  string
	Error   string
	Mounts  int
}

func main() {
	socket := flag.String("socket", "", "the driver's socket")
	folder := flag.String("programs", "", "the folder of the recording programs")
	table := flag.String("table", "", "the table of rows")
	attributes := flag.String("context", "", "the attributes of the volume, as JSON, in every call")
	note := flag.String("note", "real binary", "the column note")
	fsType := flag.String("fstype", "", "the type of file system that the calls ask for")
	flag.Parse()
	if *socket == "" || *folder == "" || *table == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "csi-calls: --socket, --programs and --table are needed, and nothing else")
		os.Exit(2)
	}
	if *attributes != "" && json.Unmarshal([]byte(*attributes), &map[string]string{}) != nil {
		fmt.Fprintln(os.Stderr, `csi-calls: --context is no JSON object of strings, such as {"server": "10.0.0.9"}`)
		os.Exit(2)
	}
	different, err := run(*socket, *folder, *table, *attributes, *note, *fsType)
	if err != nil {
		fmt.Fprintln(os.Stderr, "csi-calls:", err)
		os.Exit(3)
	}
	if different > 0 {
		os.Exit(1)
	}
}

// run makes the calls, writes their rows, and counts those that differ from the table's.
func run(socket, folder, table, attributes, note, fsType string) (different int, err error) {
	rows, err := rowsOf(table)
	if err != nil {
		return 0, err
	}
	driver, err := open(socket, folder)
	if err != nil {
		return 0, err
	}
	defer driver.connection.Close()
	picked, err := calls(rows, driver, attributes)
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintln(out, strings.Join(columns, "\t"))
	mounts, compared := 0, 0
	for number, before := range picked {
		asked, err := before.asCall()
		if err != nil {
			return 0, err
		}
		asked.FsType = fsType
		answer, err := driver.ask(asked, number)
		if err != nil {
			return 0, err
		}
		mounts += answer.Mounts
		now := before.answered(driver, answer, note)
		fmt.Fprintln(out, now.line())
		if before["driver"] != driver.name || attributes != "" {
			continue
		}
		compared++
		if told := before.differs(now); told != "" {
			different++
			fmt.Fprintf(os.Stderr, "%s %s %s readonly=%s %s\n%s",
				before["call"], before["mount_flags"], before["volume_context"], before["readonly"], before["access_mode"], told)
		}
	}
	fmt.Fprintf(os.Stderr, "%s %s: %d calls, %d compared with the table, %d differ\n",
		driver.name, driver.version, len(picked), compared, different)
	if mounts == 0 && len(picked) > 0 {
		return 0, fmt.Errorf("no call reached mount: was the driver started with PATH=%s:$PATH?", folder)
	}
	return different, nil
}
