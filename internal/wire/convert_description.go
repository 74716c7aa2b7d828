package wire

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	pluginv1 "github.com/p2p-ai-agents/stowage/proto/stowage/plugin/v1"
)

// MarshalDescription encodes d so that it can be kept. The bytes are the
// DescribeResponse of the protocol.
func MarshalDescription(d *Description) ([]byte, error) {
	p, err := descriptionToProto(d)
	if err != nil {
		return nil, err
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(p)
}

// UnmarshalDescription decodes what MarshalDescription wrote. It checks the
// schema as that of a running plugin is checked.
func UnmarshalDescription(data []byte) (*Description, error) {
	p := new(pluginv1.DescribeResponse)
	if err := proto.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("decoding a plugin's description: %w", err)
	}
	return descriptionFromProto(p)
}

func descriptionToProto(d *Description) (*pluginv1.DescribeResponse, error) {
	if err := d.Config.CheckForPlugin(); err != nil { // the protocol has no words for it
		return nil, fmt.Errorf("the configuration schema: %w", err)
	}
	config, err := schemaToProto(d.Config)
	if err != nil {
		return nil, fmt.Errorf("the configuration schema: %w", err)
	}
	return &pluginv1.DescribeResponse{
		Name: d.Name, Version: d.Version, Description: d.Description,
		ProtocolMin: d.ProtocolMin, ProtocolMax: d.ProtocolMax, Config: config, Features: d.Features,
	}, nil
}

func descriptionFromProto(p *pluginv1.DescribeResponse) (*Description, error) {
	config, err := schemaFromProto(p.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("the configuration schema: %w", err)
	}
	return &Description{
		Name: p.GetName(), Version: p.GetVersion(), Description: p.GetDescription(),
		ProtocolMin: p.GetProtocolMin(), ProtocolMax: p.GetProtocolMax(), Config: config, Features: p.GetFeatures(),
	}, nil
}
