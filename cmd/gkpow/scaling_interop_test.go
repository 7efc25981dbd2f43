//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scalingExample returns the first code block in the given language from a section of
// docs/scaling.md.
func scalingExample(t *testing.T, section, language string) string {
	doc, err := os.ReadFile("../../docs/scaling.md")
	require.NoError(t, err)
	_, rest, ok := bytes.Cut(doc, []byte("\n### "+section+"\n"))
	require.True(t, ok, "docs/scaling.md has no section %q", section)
	rest, _, _ = bytes.Cut(rest, []byte("\n## "))
	rest, _, _ = bytes.Cut(rest, []byte("\n### "))
	blocks := codeBlocks(rest)[language]
	require.NotEmpty(t, blocks, "section %q has no example in %s", section, language)
	return blocks[0]
}

// A farm is a directory in which the examples of docs/scaling.md run, with its own
// commands in PATH.
type farm struct {
	t   *testing.T
	dir string
	env []string
}

func newFarm(t *testing.T) *farm {
	f := &farm{t: t, dir: socketDir(t)}
	require.NoError(t, os.Mkdir(f.path("bin"), 0o755))
	cmd := exec.Command("go", "build", "-o", f.path("gkpow"), ".")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "GKPOW_") && !strings.HasPrefix(name, "SLURM_") && !strings.HasPrefix(name, "PARALLEL_") {
			f.env = append(f.env, v)
		}
	}
	f.env = append(f.env, "HOME="+f.dir, "REAL="+f.path("gkpow"),
		"PATH="+f.path("bin")+":"+os.Getenv("PATH")+":/usr/sbin")
	return f
}

func (f *farm) path(name string) string { return filepath.Join(f.dir, name) }

// install adds a shell script to the farm's PATH.
func (f *farm) install(name, script string) {
	require.NoError(f.t, os.WriteFile(filepath.Join(f.path("bin"), name), []byte("#!/bin/sh\n"+script), 0o755))
}

// sh runs a shell script for at most two minutes.
func (f *farm) sh(script string) (code int, stdout, stderr string) {
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", script)
	cmd.Dir, cmd.Env = f.dir, f.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		require.NoError(f.t, err)
	}
	require.NoError(f.t, ctx.Err(), "%s\n%s%s", script, &out, &errs)
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// solutionLine matches the output of gkpow solve for the examples' puzzle.
var solutionLine = regexp.MustCompile(`^[0-9]+ 000000[0-9a-f]{58}\n$`)

// endless returns a gkpow script that never finds a solution unless the variable has the
// value, so the scheduler must end it.
func endless(variable, value string) string {
	return fmt.Sprintf(`[ "$%s" = %s ] || set -- solve --salt x --bits 256 --threads 1 --shard auto
exec "$REAL" "$@"
`, variable, value)
}

// TestInteropParallel runs the example for GNU parallel.
func TestInteropParallel(t *testing.T) {
	interop(t)
	f := newFarm(t)
	example := scalingExample(t, "GNU parallel", "sh")

	f.install("gkpow", endless("PARALLEL_SEQ", "2")) // the second job must start together with the first, even on one CPU
	code, stdout, stderr := f.sh(strings.Replace(example, "-N0", "-N0 --jobs 8", 1))
	require.Equal(t, 0, code, stderr)
	require.Regexp(t, solutionLine, stdout)

	f.install("gkpow", `exec "$REAL" "$@"`)
	code, stdout, stderr = f.sh(example)
	require.Equal(t, 0, code, stderr)
	require.Regexp(t, solutionLine, stdout)

	code, stdout, stderr = f.sh(strings.Replace(example, "--difficulty 6", "--bits 256 --max-nonce 999", 1))
	require.Equal(t, 8, code, stderr)
	require.Empty(t, stdout)
	for i := range 8 {
		require.Contains(t, stderr, fmt.Sprintf("in shard %d/8 solves the puzzle", i))
	}
}

// TestInteropSlurm runs the example for Slurm on a one-node cluster on this machine.
func TestInteropSlurm(t *testing.T) {
	interop(t)
	f := newFarm(t)
	startSlurm(f)
	example := scalingExample(t, "Slurm", "sh")
	submit := func(flags, script string) (job string) {
		require.NoError(t, os.WriteFile(f.path("search.sh"), []byte(script), 0o755))
		code, stdout, stderr := f.sh(flags + " search.sh")
		require.Equal(t, 0, code, stderr)
		job = strings.TrimSpace(strings.TrimPrefix(stdout, "Submitted batch job "))
		require.Eventually(t, func() bool {
			_, stdout, _ := f.sh("squeue --noheader --array --job " + job + " || :")
			return stdout == ""
		}, time.Minute, 200*time.Millisecond, "the job does not end")
		return job
	}
	states := func(job string) map[string]int {
		_, stdout, _ := f.sh("scontrol --oneliner show job " + job)
		counts := map[string]int{}
		for _, m := range regexp.MustCompile(`JobState=(\w+).* ExitCode=(\d+:\d+)`).FindAllStringSubmatch(stdout, -1) {
			counts[m[1]+" "+m[2]]++
		}
		return counts
	}

	// One part finds the solution; the others search until they are canceled.
	f.install("gkpow", endless("SLURM_ARRAY_TASK_ID", "3"))
	job := submit("sbatch", example)
	solution, err := os.ReadFile(f.path("gkpow-" + job + ".solution"))
	require.NoError(t, err)
	require.Regexp(t, solutionLine, string(solution))
	got := states(job)
	require.Equal(t, 1, got["COMPLETED 0:0"], "%v", got)
	require.Zero(t, got["FAILED 9:0"], "%v", got)

	// No part contains a solution. Every part is searched and reports that.
	f.install("gkpow", `exec "$REAL" "$@"`)
	none := strings.Replace(example, "--difficulty 6", "--bits 256 --max-nonce 999", 1)
	job = submit("sbatch", none)
	require.Equal(t, map[string]int{"FAILED 9:0": 8}, states(job))
	for i := range 8 {
		log, err := os.ReadFile(f.path(fmt.Sprintf("gkpow-%s_%d.log", job, i)))
		require.NoError(t, err)
		require.Contains(t, string(log), fmt.Sprintf("in shard %d/8 solves the puzzle", i))
	}

	// Other arrays start at 1, have steps, or repeat some parts.
	for flags, want := range map[string]map[int]string{
		"sbatch --array=1-3":                       {1: "0/3", 2: "1/3", 3: "2/3"},
		"sbatch --array=10-14:2":                   {10: "0/3", 12: "1/3", 14: "2/3"},
		"GKPOW_SHARD_COUNT=8 sbatch --array=3,5-6": {3: "3/8", 5: "5/8", 6: "6/8"},
	} {
		job := submit(flags, none)
		for id, shard := range want {
			log, err := os.ReadFile(f.path(fmt.Sprintf("gkpow-%s_%d.log", job, id)))
			require.NoError(t, err)
			require.Contains(t, string(log), "in shard "+shard+" solves", flags)
		}
	}
	job = submit("sbatch --array=1,3,7", none)
	log, err := os.ReadFile(f.path("gkpow-" + job + "_3.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "the 3 ids of this Slurm array, from 1 to 7, are not consecutive")
	job = submit("sbatch --array=0-1 --ntasks=2", strings.Replace(none, "gkpow solve", "srun gkpow solve", 1))
	log, err = os.ReadFile(f.path("gkpow-" + job + "_0.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "SLURM_STEP_NUM_TASKS is 2")
}

// startSlurm starts munge, a controller and a node with four CPUs, all with their own files
// and ports.
func startSlurm(f *farm) {
	f.t.Helper()
	host, err := os.Hostname()
	require.NoError(f.t, err)
	host, _, _ = strings.Cut(host, ".")
	me, err := osuser.Current()
	require.NoError(f.t, err)
	require.NoError(f.t, os.WriteFile(f.path("munge.key"), bytes.Repeat([]byte("key "), 256), 0o600))
	for _, dir := range []string{"state", "spool"} {
		require.NoError(f.t, os.Mkdir(f.path(dir), 0o755))
	}
	conf := strings.NewReplacer("HOST", host, "USER", me.Username, "DIR", f.dir, "PORT1", freePort(f.t), "PORT2", freePort(f.t)).Replace(`ClusterName=test
SlurmctldHost=HOST(127.0.0.1)
SlurmUser=USER
SlurmdUser=USER
AuthType=auth/munge
AuthInfo=socket=DIR/munge.socket
SlurmctldPort=PORT1
SlurmdPort=PORT2
StateSaveLocation=DIR/state
SlurmdSpoolDir=DIR/spool
SlurmctldPidFile=DIR/slurmctld.pid
SlurmdPidFile=DIR/slurmd.pid
SlurmctldLogFile=DIR/slurmctld.log
SlurmdLogFile=DIR/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=2
NodeName=HOST NodeAddr=127.0.0.1 CPUs=4 Sockets=4 CoresPerSocket=1 ThreadsPerCore=1 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`)
	require.NoError(f.t, os.WriteFile(f.path("slurm.conf"), []byte(conf), 0o644))
	f.env = append(f.env, "SLURM_CONF="+f.path("slurm.conf"))
	daemon := func(name string, args ...string) {
		path, err := exec.LookPath(name)
		if err != nil {
			path = "/usr/sbin/" + name
		}
		cmd := exec.Command(path, args...)
		cmd.Dir, cmd.Env = f.dir, f.env
		log, err := os.Create(f.path(name + ".out"))
		require.NoError(f.t, err)
		cmd.Stdout, cmd.Stderr = log, log
		require.NoError(f.t, cmd.Start(), "install munge, slurmctld and slurmd, see .ci/run")
		log.Close()
		f.t.Cleanup(func() {
			cmd.Process.Signal(os.Interrupt)
			stop := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
			cmd.Wait()
			stop.Stop()
			if f.t.Failed() {
				output, _ := os.ReadFile(f.path(name + ".out"))
				f.t.Logf("%s: %s", name, output)
			}
		})
	}
	daemon("munged", "--foreground", "--force", "--socket="+f.path("munge.socket"), "--key-file="+f.path("munge.key"),
		"--pid-file="+f.path("munge.pid"), "--log-file="+f.path("munge.log"), "--seed-file="+f.path("munge.seed"))
	require.Eventually(f.t, func() bool { _, err := os.Stat(f.path("munge.socket")); return err == nil }, time.Minute, 50*time.Millisecond)
	daemon("slurmctld", "-D")
	daemon("slurmd", "-D")
	require.Eventually(f.t, func() bool {
		_, stdout, _ := f.sh("timeout 5 sinfo --noheader --format %t || :")
		return stdout == "idle\n"
	}, 40*time.Second, 200*time.Millisecond, "the node does not come up")
}

// TestInteropBatch runs the commands for AWS Batch with a fake aws command, so it needs no
// account.
func TestInteropBatch(t *testing.T) {
	interop(t)
	f := newFarm(t)
	f.env = append(f.env, "QUEUE=queue")
	doc, err := os.ReadFile("../../docs/scaling.md")
	require.NoError(t, err)
	require.Contains(t, string(doc), "### AWS Batch")
	f.install("sleep", `exit 0`)
	// The second query returns the test case's status and solution.
	f.install("aws", `echo "$*" >>"$HOME/aws.log"
case "$*" in
batch\ submit-job*) echo job-1 ;;
*jobs\[0\].status*) echo x >>"$HOME/looks"; [ "$(wc -l <"$HOME/looks")" -lt 2 ] && echo PENDING || echo "$STATUS" ;;
batch\ list-jobs*) [ "$(wc -l <"$HOME/looks")" -lt 2 ] && echo None || echo "$FOUND" ;;
*logStreamName*) echo stream-5 ;;
logs\ get-log-events*stream-5*) echo "$SOLUTION" ;;
esac
`)
	example := scalingExample(t, "AWS Batch", "sh")
	for _, test := range []struct {
		status, found string
		code          int
	}{
		{"PENDING", "job-1:5", 0},
		{"FAILED", "job-1:7", 0}, // the last child found a solution; the others did not
		{"FAILED", "None", 9},
	} {
		os.Remove(f.path("looks"))
		os.Remove(f.path("aws.log"))
		code, stdout, stderr := f.sh(fmt.Sprintf("export STATUS=%s FOUND=%s SOLUTION='1 00'\n%s", test.status, test.found, example))
		require.Equal(t, test.code, code, stderr)
		log, err := os.ReadFile(f.path("aws.log"))
		require.NoError(t, err)
		if test.code == 0 {
			require.Contains(t, stdout, "1 00\n")
			require.Contains(t, string(log), "batch terminate-job --job-id job-1 ")
			require.Contains(t, string(log), "describe-jobs --jobs "+test.found+" ")
		} else {
			require.Empty(t, stdout)
			require.NotContains(t, string(log), "terminate-job")
		}
	}
}
