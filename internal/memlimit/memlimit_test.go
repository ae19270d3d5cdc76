package memlimit

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	v2      = "34 24 0:29 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 none rw,nsdelegate\n"
	v1      = "35 24 0:30 / /sys/fs/cgroup/memory rw - cgroup none rw,memory\n"
	v1Other = "36 24 0:31 / /sys/fs/cgroup/cpu rw - cgroup none rw,cpu,cpuacct\n"
	other   = "22 1 8:1 / / rw - ext4 /dev/root rw\n"
)

func TestOf(t *testing.T) {
	for name, test := range map[string]struct {
		groups, mounts string
		files          map[string]string
		want           int64
		fails          bool
	}{
		"version 2 in a container":   {groups: "0::/\n", mounts: other + v2, files: map[string]string{"sys/fs/cgroup/memory.max": "2147483648\n"}, want: 2 << 30},
		"version 2 without a limit":  {groups: "0::/\n", mounts: v2, files: map[string]string{"sys/fs/cgroup/memory.max": "max\n"}},
		"version 2 without the file": {groups: "0::/\n", mounts: v2},
		"version 2 on the host": {groups: "0::/kubepods/pod1/c1\n", mounts: v2, files: map[string]string{
			"sys/fs/cgroup/kubepods/pod1/c1/memory.max": "max", "sys/fs/cgroup/kubepods/pod1/memory.max": "300", "sys/fs/cgroup/kubepods/memory.max": "500",
		}, want: 300},
		"version 2, the group itself is lowest": {groups: "0::/a/b\n", mounts: v2, files: map[string]string{
			"sys/fs/cgroup/a/b/memory.max": "200", "sys/fs/cgroup/a/memory.max": "300",
		}, want: 200},
		"version 2 outside its namespace": {groups: "0::/../x\n", mounts: "34 24 0:29 /../.. /sys/fs/cgroup rw - cgroup2 none rw\n", files: map[string]string{"sys/fs/cgroup/memory.max": "700"}, want: 700},
		"version 1 in a container": {groups: "12:memory:/docker/abc\n3:cpu,cpuacct:/x\n", mounts: v1Other +
			"35 24 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup none rw,memory\n", files: map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "1000"}, want: 1000},
		"version 1 with another path in a namespace": {
			groups: "12:memory:/\n", mounts: "35 24 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup none rw,memory\n",
			files: map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "1000"}, want: 1000,
		},
		"version 1 without a limit": {groups: "12:memory:/a\n", mounts: v1, files: map[string]string{"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712"}},
		"both versions":             {groups: "12:memory:/a\n0::/b\n", mounts: v2 + v1, files: map[string]string{"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "900"}, want: 900},
		"a path with a space":       {groups: "0::/\n", mounts: strings.Replace(v2, "/sys/fs/cgroup", `/sys/fs/c\040group`, 1), files: map[string]string{"sys/fs/c group/memory.max": "5"}, want: 5},
		"nothing mounted":           {groups: "0::/\n", mounts: other},
		"no number":                 {groups: "0::/\n", mounts: v2, files: map[string]string{"sys/fs/cgroup/memory.max": "much"}, fails: true},
		"no mounts":                 {groups: "0::/\n", fails: true},
		"not Linux":                 {},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			files := map[string]string{"proc/self/cgroup": test.groups, "proc/self/mountinfo": test.mounts}
			maps.Copy(files, test.files)
			for path, content := range files {
				if content == "" {
					continue
				}
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := of(root)
			if got != test.want || err != nil != test.fails {
				t.Errorf("the limit is %d, error %v; want %d", got, err, test.want)
			}
		})
	}
}

// TestSetLeavesGOMEMLIMIT alone, in a process of its own: the limit is the
// process's.
func TestSetLeavesGOMEMLIMIT(t *testing.T) {
	if os.Getenv("MEMLIMIT_TEST") != "" {
		t.Log(Set())
		return
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestSetLeavesGOMEMLIMIT$", "-test.v")
	command.Env = append(os.Environ(), "MEMLIMIT_TEST=1", "GOMEMLIMIT=123MiB")
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "GOMEMLIMIT is 123MiB") {
		t.Errorf("%v: %s", err, out)
	}
}
