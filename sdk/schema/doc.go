// Package schema describes the configuration of a plugin: the attributes and
// blocks an operator may write, their types, defaults and bounds.
//
// A plugin author declares a struct with tags and never sees anything else of
// this package but the diagnostics they return:
//
//	type Config struct {
//		_       struct{}      `doc:"Stores objects in a bucket."`
//		URL     string        `stowage:"url,required" pattern:"^https://" doc:"Where the bucket is."`
//		Key     string        `stowage:"key,sensitive" doc:"The access key."`
//		Timeout time.Duration `stowage:"timeout" default:"30s" min:"1s" max:"10m"`
//		Retry   *Retry        `stowage:"retry"`
//	}
//
// # Tags
//
//	stowage:"name,flags"  the name in the configuration; "-" leaves the field out.
//	                      Every exported field has this tag.
//	  required            must be given
//	  sensitive           a secret: never shown, not even in a complaint about it
//	  path                a file or directory, made absolute against the
//	                      directory of the configuration file
//	  ref                 a reference to a backend or policy (host side only)
//	  expr                an expression that places objects: the field gets its
//	                      source text (host side only)
//	default:"…"           the value if none is given: a scalar as the operator
//	                      would write it, a list as "a,b", a map as "k=v,k=v"
//	enum:"a,b"            the strings allowed
//	min:"…" max:"…"       inclusive bounds, in the words of the type: "3", "1m30s",
//	                      "64MiB"; max on a repeated block bounds their number
//	pattern:"^…$"         a regular expression that strings must match
//	doc:"…"               a sentence or two for the operator; on a field named _
//	                      it describes the whole struct
//
// Enum, bounds and pattern of a list or map hold for each element.
//
// # Types
//
//	field                            in the configuration
//	string, bool                     name = "text", name = true
//	int…, uint…, float32, float64    name = 3; bounds follow the field's width
//	time.Duration                    name = "1m30s"
//	ByteSize                         name = "64MiB" or name = 67108864
//	[]T, map[string]T                name = ["a", "b"], name = { k = "v" }
//	*T of a scalar                   nil if not given
//	struct, *struct                  name { … }, at most once; nil if not given
//	[]struct                         name { … }, any number of times
//	map[string]struct                name "label" { … }, each label once
//
// # Life of a configuration
//
// [Reflect] turns the struct into a [Schema], which travels to the host. The
// host calls [Schema.Validate] with what the operator wrote and sends the
// result back as JSON ([Schema.MarshalValue], [Schema.UnmarshalValue]), where
// [Decode] stores it in the struct. Complaints of any of them, and those the
// plugin adds, are [Diagnostics]: each names its attribute by path, and the
// host shows it at the operator's file, line and column.
package schema
