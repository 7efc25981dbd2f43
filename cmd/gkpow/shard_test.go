package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
)

func TestShard(t *testing.T) {
	const slurm = "SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7 "
	for _, test := range []struct {
		name, flag, variables string
		want                  solver.Shard
		err                   string // substrings, separated by |
	}{
		{"by hand", "3/4", "", solver.Shard{Index: 3, Count: 4}, ""},
		{"by hand, although a scheduler is there", "3/4", "JOB_COMPLETION_INDEX=x", solver.Shard{Index: 3, Count: 4}, ""},
		{"by hand, not a shard", "Auto", "", solver.Shard{}, `"Auto" is neither I/N|"auto"`},

		{"Kubernetes", "auto", "JOB_COMPLETION_INDEX=0 GKPOW_SHARD_COUNT=8", solver.Shard{Count: 8}, ""},
		{"Kubernetes, last", "auto", "JOB_COMPLETION_INDEX=7 GKPOW_SHARD_COUNT=8", solver.Shard{Index: 7, Count: 8}, ""},
		{"Kubernetes, no count", "auto", "JOB_COMPLETION_INDEX=7", solver.Shard{}, "JOB_COMPLETION_INDEX is set|GKPOW_SHARD_COUNT is not|the Job's completions"},
		{"Kubernetes, fewer than completions", "auto", "JOB_COMPLETION_INDEX=8 GKPOW_SHARD_COUNT=8", solver.Shard{}, "JOB_COMPLETION_INDEX is 8 but must be 0 to 7, since GKPOW_SHARD_COUNT is 8"},
		{"Kubernetes, not a number", "auto", "JOB_COMPLETION_INDEX=x GKPOW_SHARD_COUNT=8", solver.Shard{}, `JOB_COMPLETION_INDEX is "x"`},
		{"Kubernetes, negative", "auto", "JOB_COMPLETION_INDEX=-1 GKPOW_SHARD_COUNT=8", solver.Shard{}, `JOB_COMPLETION_INDEX is "-1"`},
		{"Kubernetes, no shards", "auto", "JOB_COMPLETION_INDEX=0 GKPOW_SHARD_COUNT=0", solver.Shard{}, `GKPOW_SHARD_COUNT is "0"`},
		{"Kubernetes, empty", "auto", "JOB_COMPLETION_INDEX= GKPOW_SHARD_COUNT=8", solver.Shard{}, "no variable of"},

		{"Slurm", "auto", slurm + "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=8", solver.Shard{Index: 5, Count: 8}, ""},
		{"Slurm from 1", "auto", slurm + "SLURM_ARRAY_TASK_ID=8 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=8 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=8", solver.Shard{Index: 7, Count: 8}, ""},
		{"Slurm with a step", "auto", slurm + "SLURM_ARRAY_TASK_ID=14 SLURM_ARRAY_TASK_MIN=10 SLURM_ARRAY_TASK_MAX=16 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=4", solver.Shard{Index: 2, Count: 4}, ""},
		{"Slurm with gaps", "auto", slurm + "SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=3", solver.Shard{}, "3 ids of this Slurm array, from 1 to 7, are not consecutive|GKPOW_SHARD_COUNT"},
		{"Slurm with gaps, count given", "auto", slurm + "GKPOW_SHARD_COUNT=8 SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=3", solver.Shard{Index: 3, Count: 8}, ""},
		{"Slurm, one task again", "auto", slurm + "GKPOW_SHARD_COUNT=8 SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_MAX=3 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=1", solver.Shard{Index: 3, Count: 8}, ""},
		{"Slurm, id too large for the count", "auto", slurm + "GKPOW_SHARD_COUNT=8 SLURM_ARRAY_TASK_ID=8", solver.Shard{}, "SLURM_ARRAY_TASK_ID is 8 but must be 0 to 7"},
		{"Slurm, a variable is missing", "auto", slurm + "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_STEP=1", solver.Shard{}, "SLURM_ARRAY_TASK_COUNT is not|GKPOW_SHARD_COUNT"},
		{"Slurm, not a number", "auto", slurm + "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_STEP=0 SLURM_ARRAY_TASK_COUNT=8", solver.Shard{}, `SLURM_ARRAY_TASK_STEP is "0"`},
		{"Slurm, id out of range", "auto", slurm + "SLURM_ARRAY_TASK_ID=9 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=8", solver.Shard{}, "SLURM_ARRAY_TASK_ID is 9 but must be 0 to 7, by SLURM_ARRAY_TASK_MIN"},
		{"Slurm, one task by srun", "auto", slurm + "SLURM_STEP_NUM_TASKS=1 GKPOW_SHARD_COUNT=8 SLURM_ARRAY_TASK_ID=3", solver.Shard{Index: 3, Count: 8}, ""},
		{"Slurm, many tasks by srun", "auto", slurm + "SLURM_STEP_NUM_TASKS=4 GKPOW_SHARD_COUNT=8 SLURM_ARRAY_TASK_ID=3", solver.Shard{}, "SLURM_STEP_NUM_TASKS is 4|the same part|--ntasks=1"},
		{"Slurm without an array", "auto", "SLURM_JOB_ID=7", solver.Shard{}, "this Slurm job is not an array|SLURM_ARRAY_TASK_ID|sbatch --array"},

		{"AWS Batch", "auto", "AWS_BATCH_JOB_ID=j:3 AWS_BATCH_JOB_ARRAY_INDEX=3 AWS_BATCH_JOB_ARRAY_SIZE=10", solver.Shard{Index: 3, Count: 10}, ""},
		{"AWS Batch, count agrees", "auto", "AWS_BATCH_JOB_ARRAY_INDEX=3 AWS_BATCH_JOB_ARRAY_SIZE=10 GKPOW_SHARD_COUNT=10", solver.Shard{Index: 3, Count: 10}, ""},
		{"AWS Batch, count does not agree", "auto", "AWS_BATCH_JOB_ARRAY_INDEX=3 AWS_BATCH_JOB_ARRAY_SIZE=10 GKPOW_SHARD_COUNT=20", solver.Shard{}, "GKPOW_SHARD_COUNT is 20 but AWS_BATCH_JOB_ARRAY_SIZE is 10"},
		{"AWS Batch, no size", "auto", "AWS_BATCH_JOB_ARRAY_INDEX=3", solver.Shard{}, "AWS_BATCH_JOB_ARRAY_SIZE is not"},
		{"AWS Batch without an array", "auto", "AWS_BATCH_JOB_ID=j", solver.Shard{}, "this AWS Batch job is not an array|--array-properties"},

		{"GNU parallel", "auto", "PARALLEL_SEQ=1 GKPOW_SHARD_COUNT=8", solver.Shard{Count: 8}, ""},
		{"GNU parallel, last", "auto", "PARALLEL_SEQ=8 GKPOW_SHARD_COUNT=8", solver.Shard{Index: 7, Count: 8}, ""},
		{"GNU parallel, too many", "auto", "PARALLEL_SEQ=9 GKPOW_SHARD_COUNT=8", solver.Shard{}, "PARALLEL_SEQ is 9 but must be 1 to 8"},
		{"GNU parallel, no count", "auto", "PARALLEL_SEQ=1", solver.Shard{}, "GKPOW_SHARD_COUNT is not|number of arguments"},

		{"two schedulers", "auto", "JOB_COMPLETION_INDEX=1 PARALLEL_SEQ=1 GKPOW_SHARD_COUNT=8", solver.Shard{}, "JOB_COMPLETION_INDEX and PARALLEL_SEQ are both set|GKPOW_SHARD_INDEX"},
		{"two schedulers, index given", "auto", "JOB_COMPLETION_INDEX=1 PARALLEL_SEQ=1 GKPOW_SHARD_INDEX=5 GKPOW_SHARD_COUNT=8", solver.Shard{Index: 5, Count: 8}, ""},
		{"no scheduler", "auto", "", solver.Shard{}, "Kubernetes, Slurm, AWS Batch or GNU parallel|JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID|GKPOW_SHARD_INDEX"},
		{"no scheduler, index given", "auto", "GKPOW_SHARD_INDEX=0 GKPOW_SHARD_COUNT=1", solver.Shard{Count: 1}, ""},
		{"no scheduler, index only", "auto", "GKPOW_SHARD_INDEX=0", solver.Shard{}, "GKPOW_SHARD_INDEX is set|GKPOW_SHARD_COUNT is not"},
		{"no scheduler, index too large", "auto", "GKPOW_SHARD_INDEX=2 GKPOW_SHARD_COUNT=2", solver.Shard{}, "GKPOW_SHARD_INDEX is 2 but must be 0 to 1"},
		{"beyond 32 bits", "auto", "GKPOW_SHARD_INDEX=0 GKPOW_SHARD_COUNT=2147483648", solver.Shard{}, `GKPOW_SHARD_COUNT is "2147483648", not a whole number from 1 to 2147483647`},
	} {
		t.Run(test.name, func(t *testing.T) {
			variables := map[string]string{}
			for v := range strings.FieldsSeq(test.variables) {
				name, value, _ := strings.Cut(v, "=")
				variables[name] = value
			}
			got, err := parseShard(test.flag, func(name string) (string, bool) { value, ok := variables[name]; return value, ok })
			if test.err == "" {
				require.NoError(t, err)
				require.Equal(t, test.want, got)
				return
			}
			var usage *usageError
			require.ErrorAs(t, err, &usage)
			for part := range strings.SplitSeq(test.err, "|") {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

// Under each scheduler the processes together search every nonce once: one of four finds
// the only solution, and the others exit with the code for "no solution".
func TestShardAuto(t *testing.T) {
	for _, test := range []struct {
		scheduler string
		variables func(i int) string
	}{
		{"Kubernetes", func(i int) string { return fmt.Sprintf("JOB_COMPLETION_INDEX=%d GKPOW_SHARD_COUNT=4", i) }},
		{"Slurm", func(i int) string {
			return fmt.Sprintf("SLURM_ARRAY_TASK_ID=%d SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=4 SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_TASK_COUNT=4", i+1)
		}},
		{"AWS Batch", func(i int) string {
			return fmt.Sprintf("AWS_BATCH_JOB_ARRAY_INDEX=%d AWS_BATCH_JOB_ARRAY_SIZE=4", i)
		}},
		{"GNU parallel", func(i int) string { return fmt.Sprintf("PARALLEL_SEQ=%d GKPOW_SHARD_COUNT=4", i+1) }},
	} {
		t.Run(test.scheduler, func(t *testing.T) {
			codes := map[int]int{}
			for i := range 4 {
				variables := map[string]string{}
				for v := range strings.FieldsSeq(test.variables(i)) {
					name, value, _ := strings.Cut(v, "=")
					variables[name] = value
				}
				var stdout, stderr bytes.Buffer
				args := "solve --salt 7f8e9d0c --difficulty 4 --max-nonce 40000 --shard auto --threads 1"
				code := run(t.Context(), strings.Fields(args), environment{
					stdout: &stdout, stderr: &stderr,
					lookup: func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
				})
				codes[code]++
				if code == exitOK {
					require.Equal(t, "19317 0000404e2652e103ad8875ff1c29351c735a32a90d1b695e170e8bf578b46573\n", stdout.String())
				} else {
					require.Empty(t, stdout.String())
					require.Contains(t, stderr.String(), fmt.Sprintf("in shard %d/4", i))
				}
			}
			require.Equal(t, map[int]int{exitOK: 1, exitNone: 3}, codes)
		})
	}
}
