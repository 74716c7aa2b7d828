package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// file is a regular file below the source directory.
type file struct {
	path string
	key  string
	size int64
}

const treePrefix = "tree/"

// scan lists the regular files below dir. Links and devices are left out.
func scan(dir string) ([]file, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	var files []file
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files = append(files, file{path: path, key: treePrefix + filepath.ToSlash(rest), size: info.Size()})
		return nil
	})
	if err == nil && len(files) < 2 {
		err = fmt.Errorf("%s holds %d regular files; to be killed in the middle takes two", dir, len(files))
	}
	return files, err
}

func total(files []file) (bytes int64) {
	for _, f := range files {
		bytes += f.size
	}
	return bytes
}

func writeConfig(dir, plugins string) (string, error) {
	path := filepath.Join(dir, "config.hcl")
	config := fmt.Sprintf(`host {
  plugin_dirs = [%q]
  data_dir    = "./host"
}

plugin "local" {
  transport = "child"
}

backend "disk" {
  plugin = "local"
  retry { max_attempts = 10 }
  config { path = "./disk" }
}
`, plugins)
	return path, os.WriteFile(path, []byte(config), 0o600)
}
