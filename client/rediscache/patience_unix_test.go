//go:build unix

package rediscache

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A process that was suspended for longer than its patience still takes the answer that
// came meanwhile.
func TestPatienceOfSuspendedProcess(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPatience+"=1")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan(), &errs)
	require.Equal(t, "waiting", lines.Text())

	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	time.Sleep(1200 * time.Millisecond)
	_, err = fmt.Fprintln(stdin)
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	require.True(t, lines.Scan(), &errs)
	require.Equal(t, "answered", lines.Text())
}

func TestPatienceRunsOut(t *testing.T) {
	ctx, cancel := patience(t.Context(), 20*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	require.ErrorIs(t, context.Cause(ctx), errSlow)

	parent, end := context.WithCancel(t.Context())
	ctx, cancel = patience(parent, time.Hour)
	defer cancel()
	end()
	<-ctx.Done()
	require.ErrorIs(t, context.Cause(ctx), context.Canceled)
}
