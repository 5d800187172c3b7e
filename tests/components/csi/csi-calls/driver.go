package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// limit is the longest time that a call may take.
const limit = 30 * time.Second

// driver is a connection to a node plugin, and the folder of the recording programs.
type driver struct {
	connection *grpc.ClientConn
	node       csi.NodeClient
	folder     string
	name       string
	version    string
	isStaged   bool
}

// open asks a driver for its name and its capabilities.
func open(socket, folder string) (*driver, error) {
	socket, err := filepath.Abs(strings.TrimPrefix(socket, "unix://"))
	if err != nil {
		return nil, err
	}
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	info, err := csi.NewIdentityClient(connection).GetPluginInfo(ctx, &csi.GetPluginInfoRequest{})
	if err != nil {
		return nil, fmt.Errorf("no CSI driver answers at %s: %s", socket, status.Convert(err).Message())
	}
	opened := &driver{
		connection: connection, node: csi.NewNodeClient(connection), folder: folder,
		name: info.GetName(), version: info.GetVendorVersion(),
	}
	capabilities, err := opened.node.NodeGetCapabilities(ctx, &csi.NodeGetCapabilitiesRequest{})
	if err != nil {
		return nil, fmt.Errorf("%s has no node plugin at this socket: %s", opened.name, status.Convert(err).Message())
	}
	for _, capability := range capabilities.GetCapabilities() {
		stages := capability.GetRpc().GetType() == csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME
		opened.isStaged = opened.isStaged || stages
	}
	return opened, nil
}

// ask makes a call, takes it back, and reads what mount was given in between.
func (d *driver) ask(asked call, number int) (answer, error) {
	mode, ok := csi.VolumeCapability_AccessMode_Mode_value[asked.AccessMode]
	if !ok {
		return answer{}, fmt.Errorf("call %d: %q is no access mode", number, asked.AccessMode)
	}
	if err := os.Truncate(filepath.Join(d.folder, "calls"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return answer{}, err
	}
	volumes, err := os.MkdirTemp("", "csi-calls")
	if err != nil {
		return answer{}, err
	}
	defer os.RemoveAll(volumes)
	capability := &csi.VolumeCapability{
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_Mode(mode)},
		AccessType: &csi.VolumeCapability_Mount{
			Mount: &csi.VolumeCapability_MountVolume{FsType: asked.FsType, MountFlags: asked.MountFlags},
		},
	}
	id := fmt.Sprintf("volume-%d", number)
	staging, target := filepath.Join(volumes, "staging"), filepath.Join(volumes, "target")
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()

	var failure error
	if d.isStaged {
		// The kubelet makes this directory.
		if err := os.Mkdir(staging, 0o750); err != nil {
			return answer{}, err
		}
		_, failure = d.node.NodeStageVolume(ctx, &csi.NodeStageVolumeRequest{
			VolumeId: id, StagingTargetPath: staging, VolumeCapability: capability, VolumeContext: asked.VolumeContext,
		})
		defer d.node.NodeUnstageVolume(ctx, &csi.NodeUnstageVolumeRequest{VolumeId: id, StagingTargetPath: staging})
	} else {
		staging = ""
		if asked.Call == "stage" {
			return answer{}, errors.New("stage: the driver has no STAGE_UNSTAGE_VOLUME")
		}
	}
	if asked.Call == "publish" && failure == nil {
		_, failure = d.node.NodePublishVolume(ctx, &csi.NodePublishVolumeRequest{
			VolumeId: id, StagingTargetPath: staging, TargetPath: target, VolumeCapability: capability,
			Readonly: asked.Readonly, VolumeContext: asked.VolumeContext,
		})
		defer d.node.NodeUnpublishVolume(ctx, &csi.NodeUnpublishVolumeRequest{VolumeId: id, TargetPath: target})
	}
	found, err := d.recorded()
	if failure != nil {
		found.Error = strings.ReplaceAll(status.Convert(failure).Message(), volumes+"/", "")
	}
	return found, err
}

// recorded reads the runs of mount programs since the last call.
func (d *driver) recorded() (answer, error) {
	file, err := os.Open(filepath.Join(d.folder, "calls"))
	if errors.Is(err, os.ErrNotExist) {
		return answer{}, nil
	} else if err != nil {
		return answer{}, err
	}
	defer file.Close()
	var found answer
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\x1f")
		if !strings.HasPrefix(words[0], "mount") {
			continue
		}
		options, fsType := parse(words[1:])
		if slices.Contains(strings.Split(options, ","), "bind") || slices.Contains(words, "--bind") {
			continue
		}
		if found.Mounts == 0 {
			found.Options, found.FsType = options, fsType
			if words[0] != "mount" {
				found.FsType = "(" + words[0] + " called directly)"
			}
		}
		found.Mounts++
	}
	return found, lines.Err()
}

// parse finds the options and the type among the words of a mount program; several -o are joined, as mount(8) does.
func parse(words []string) (options, fsType string) {
	var lists []string
	for index, word := range words {
		value := ""
		if index+1 < len(words) {
			value = words[index+1]
		}
		switch {
		case word == "-o" || word == "--options":
			lists = append(lists, value)
		case word == "-t" || word == "--types":
			fsType = value
		case strings.HasPrefix(word, "-o"):
			lists = append(lists, word[2:])
		case strings.HasPrefix(word, "-t"):
			fsType = word[2:]
		}
	}
	return strings.Join(lists, ","), fsType
}
