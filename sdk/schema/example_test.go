package schema_test

import (
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// BucketConfig is what the operator of a plugin writes in its config block.
type BucketConfig struct {
	_       struct{}        `doc:"Stores objects in a bucket."`
	URL     string          `stowage:"url,required" pattern:"^https://" doc:"Where the bucket is."`
	Key     string          `stowage:"key,sensitive" doc:"The access key."`
	Timeout time.Duration   `stowage:"timeout" default:"30s" min:"1s" max:"10m"`
	Part    schema.ByteSize `stowage:"part_size" default:"8MiB"`
	Retry   struct {
		Max int `stowage:"max" default:"3" min:"1"`
	} `stowage:"retry"`
}

func Example() {
	s, err := schema.Reflect(BucketConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	value, diags := s.Validate(cty.ObjectVal(map[string]cty.Value{
		"url":       cty.StringVal("https://bucket.example"),
		"part_size": cty.StringVal("64MiB"),
	}))
	fmt.Println("errors:", diags.HasErrors())

	var config BucketConfig
	diags = schema.Decode(value, &config)
	fmt.Println("errors:", diags.HasErrors())
	fmt.Println(config.URL, config.Timeout, config.Part, config.Retry.Max)

	_, diags = s.Validate(cty.ObjectVal(map[string]cty.Value{
		"url":     cty.StringVal("http://bucket.example"),
		"tiemout": cty.StringVal("5s"),
	}))
	for _, d := range diags {
		fmt.Println(d)
	}
	// Output:
	// errors: false
	// errors: false
	// https://bucket.example 30s 64MiB 3
	// tiemout: Unknown attribute: There is no attribute named "tiemout" here. Did you mean "timeout"?
	// url: Wrong format: "url" must match the pattern ^https://, not "http://bucket.example".
	// Where the bucket is.
}
