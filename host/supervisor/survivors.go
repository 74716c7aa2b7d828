package supervisor

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"github.com/hashicorp/go-plugin"
)

// killSurvivors ends the processes that a dead host's plugins left behind. The kernel kills a plugin together with its
// host, but not what the plugin has started; those are known by the socket directory in the environment they inherited.
func killSurvivors(runDir string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	mark := []byte("\x00" + plugin.EnvUnixSocketDir + "=" + runDir + "/")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, err := os.ReadFile("/proc/" + entry.Name() + "/environ")
		if err != nil || !bytes.Contains(append([]byte{0}, environ...), mark) {
			continue
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
