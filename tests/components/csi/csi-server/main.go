// Command csi-server is a node plugin of the tests' own. It mounts as drivers do: a list
// as it came, then the attribute mountOptions, then ro for a read-only request.
//
//	csi-server --socket PATH [--name NAME] [--stage] [--append OPTION]
//
// With --stage it mounts when a volume is staged, and binds it when it is published.
// Options given with --append come last, as drivers add ones of their own.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type server struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer
	name   string
	stages bool
	last   string
}

func main() {
	socket := flag.String("socket", "", "the socket to listen at")
	name := flag.String("name", "csi-server.tests.nfs-mount-guard.io", "the driver's name")
	stages := flag.Bool("stage", false, "mount when staged")
	last := flag.String("append", "", "options that come last")
	flag.Parse()
	listener, err := net.Listen("unix", *socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, "csi-server:", err)
		os.Exit(1)
	}
	served := grpc.NewServer()
	node := &server{name: *name, stages: *stages, last: *last}
	csi.RegisterIdentityServer(served, node)
	csi.RegisterNodeServer(served, node)
	if err := served.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, "csi-server:", err)
		os.Exit(1)
	}
}

func (s *server) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: s.name, VendorVersion: "v1"}, nil
}

func (s *server) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	response := &csi.NodeGetCapabilitiesResponse{}
	if s.stages {
		response.Capabilities = []*csi.NodeServiceCapability{{Type: &csi.NodeServiceCapability_Rpc{
			Rpc: &csi.NodeServiceCapability_RPC{Type: csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME},
		}}}
	}
	return response, nil
}

func (s *server) NodeStageVolume(_ context.Context, request *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	err := s.mount(request.GetVolumeCapability(), request.GetVolumeContext(), false, request.GetStagingTargetPath())
	return &csi.NodeStageVolumeResponse{}, err
}

func (s *server) NodeUnstageVolume(_ context.Context, request *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	return &csi.NodeUnstageVolumeResponse{}, command("umount", request.GetStagingTargetPath())
}

func (s *server) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if s.stages {
		err := command("mount", "-o", "bind", request.GetStagingTargetPath(), request.GetTargetPath())
		return &csi.NodePublishVolumeResponse{}, err
	}
	err := s.mount(request.GetVolumeCapability(), request.GetVolumeContext(), request.GetReadonly(), request.GetTargetPath())
	return &csi.NodePublishVolumeResponse{}, err
}

func (s *server) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	return &csi.NodeUnpublishVolumeResponse{}, command("umount", request.GetTargetPath())
}

// mount runs mount as found on PATH.
func (s *server) mount(capability *csi.VolumeCapability, attributes map[string]string, isReadOnly bool, target string) error {
	options := capability.GetMount().GetMountFlags()
	if list := attributes["mountOptions"]; list != "" {
		options = append(options, list)
	}
	if isReadOnly {
		options = append(options, "ro")
	}
	if s.last != "" {
		options = append(options, s.last)
	}
	if attributes["server"] == "" {
		return status.Error(codes.InvalidArgument, "server is a required parameter")
	}
	words := []string{"-t", "nfs"}
	if len(options) > 0 {
		words = append(words, "-o", strings.Join(options, ","))
	}
	return command("mount", append(words, attributes["server"]+":"+attributes["share"], target)...)
}

func command(name string, words ...string) error {
	if output, err := exec.Command(name, words...).CombinedOutput(); err != nil {
		return status.Errorf(codes.Internal, "%s: %v: %s", name, err, output)
	}
	return nil
}
