package main

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gkpow/gkpow/solver"
)

// Variables that name the shard if the scheduler's variables do not.
const (
	shardIndexVariable = "GKPOW_SHARD_INDEX"
	shardCountVariable = "GKPOW_SHARD_COUNT"
)

// A scheduler runs a command many times and numbers the processes in environment
// variables.
type scheduler struct {
	name  string
	index string // variable with the number of the process
	first int    // number of the first process
	count string // variable with the number of processes; "" if the scheduler sets none
	// countIs says which number to put into GKPOW_SHARD_COUNT.
	countIs string
	// job is a variable that the scheduler sets in all jobs. array says how to submit a
	// job that numbers its processes.
	job, array string
}

// schedulers are the schedulers that --shard auto knows. Their variables are documented in
//
//   - https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
//   - https://slurm.schedmd.com/job_array.html
//   - https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
//   - man parallel, "ENVIRONMENT VARIABLES"
var schedulers = []scheduler{
	{name: "Kubernetes", index: "JOB_COMPLETION_INDEX", countIs: "the Job's completions"},
	{name: "Slurm", index: "SLURM_ARRAY_TASK_ID", count: "SLURM_ARRAY_TASK_COUNT",
		job: "SLURM_JOB_ID", array: "submit it with sbatch --array"},
	{name: "AWS Batch", index: "AWS_BATCH_JOB_ARRAY_INDEX", count: "AWS_BATCH_JOB_ARRAY_SIZE",
		job: "AWS_BATCH_JOB_ID", array: "submit it with --array-properties size=N"},
	{name: "GNU parallel", index: "PARALLEL_SEQ", first: 1, countIs: "the number of arguments"},
}

// autoShard returns the shard of this process from the variables that its scheduler set.
func autoShard(lookup func(string) (string, bool)) (solver.Shard, error) {
	e := shardEnvironment{lookup}
	if e.set(shardIndexVariable) {
		return e.shard(scheduler{index: shardIndexVariable, countIs: "the number of shards"})
	}
	var found []scheduler
	for _, s := range schedulers {
		if e.set(s.index) {
			found = append(found, s)
		}
	}
	switch {
	case len(found) > 1:
		return solver.Shard{}, usagef("--shard auto: %s and %s are both set, by %s and %s: set %s and %s to say which part to search",
			found[0].index, found[1].index, found[0].name, found[1].name, shardIndexVariable, shardCountVariable)
	case len(found) == 1 && found[0].name == "Slurm":
		return e.slurmShard(found[0])
	case len(found) == 1:
		return e.shard(found[0])
	}
	for _, s := range schedulers {
		if s.job != "" && e.set(s.job) {
			return solver.Shard{}, usagef("--shard auto: this %s job is not an array, since %s is not set: %s", s.name, s.index, s.array)
		}
	}
	var names, variables []string
	for _, s := range schedulers {
		names, variables = append(names, s.name), append(variables, s.index)
	}
	last := len(names) - 1
	return solver.Shard{}, usagef("--shard auto: no variable of %s or %s is set (%s): set %s and %s, or name the shard, such as --shard 0/4",
		strings.Join(names[:last], ", "), names[last], strings.Join(variables, ", "), shardIndexVariable, shardCountVariable)
}

// A shardEnvironment reads numbers from environment variables.
type shardEnvironment struct {
	lookup func(string) (string, bool)
}

func (e shardEnvironment) set(name string) bool {
	value, _ := e.lookup(name)
	return value != ""
}

// number returns the number in a variable, which must be set.
func (e shardEnvironment) number(name string, least int) (int, error) {
	value, _ := e.lookup(name)
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > math.MaxInt32 {
		return 0, usagef("--shard auto: %s is %q, not a whole number from %d to %d", name, value, least, math.MaxInt32)
	}
	return n, nil
}

// shard returns the shard where the scheduler's numbers are consecutive.
// GKPOW_SHARD_COUNT, if set, must not contradict the scheduler.
func (e shardEnvironment) shard(s scheduler) (solver.Shard, error) {
	count := shardCountVariable
	if s.count != "" {
		count = s.count
	}
	if !e.set(count) {
		if s.count != "" {
			return solver.Shard{}, usagef("--shard auto: %s is set but %s is not: set it to the size of the array", s.index, count)
		}
		return solver.Shard{}, usagef("--shard auto: %s is set but %s is not: set it to %s", s.index, count, s.countIs)
	}
	index, err := e.number(s.index, s.first)
	if err != nil {
		return solver.Shard{}, err
	}
	n, err := e.number(count, 1)
	if err != nil {
		return solver.Shard{}, err
	}
	if s.count != "" && e.set(shardCountVariable) {
		own, err := e.number(shardCountVariable, 1)
		if err != nil {
			return solver.Shard{}, err
		}
		if own != n {
			return solver.Shard{}, usagef("--shard auto: %s is %d but %s is %d: unset the first, or set %s, too",
				shardCountVariable, own, count, n, shardIndexVariable)
		}
	}
	return checkedShard(s.index, index, s.first, count, n)
}

// slurmTasks is the number of processes that srun runs in this element of the array. Only
// srun sets it.
const slurmTasks = "SLURM_STEP_NUM_TASKS"

// slurmShard returns the shard of a task of a Slurm array. Without GKPOW_SHARD_COUNT the
// array must be regular, such as 0-7, 1-8 or 0-14:2, and the task's position in it is the
// index. With GKPOW_SHARD_COUNT the task's id is the index, so that some of the tasks can
// be submitted again, such as --array=3,5.
func (e shardEnvironment) slurmShard(s scheduler) (solver.Shard, error) {
	if e.set(slurmTasks) {
		if n, err := e.number(slurmTasks, 1); err != nil || n > 1 {
			return solver.Shard{}, cmp.Or(err, usagef("--shard auto: %s is %d, and all of them would search the same part: "+
				"run one in each element of the array, as srun --ntasks=1 does", slurmTasks, n))
		}
	}
	id, err := e.number(s.index, 0)
	if err != nil {
		return solver.Shard{}, err
	}
	if e.set(shardCountVariable) {
		n, err := e.number(shardCountVariable, 1)
		if err != nil {
			return solver.Shard{}, err
		}
		return checkedShard(s.index, id, 0, shardCountVariable, n)
	}
	variables := []string{"SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP", s.count}
	least := []int{0, 0, 1, 1}
	if i := slices.IndexFunc(variables, func(name string) bool { return !e.set(name) }); i >= 0 {
		return solver.Shard{}, usagef("--shard auto: %s is set but %s is not: set %s to the number of shards", s.index, variables[i], shardCountVariable)
	}
	var v [4]int
	for i, name := range variables {
		if v[i], err = e.number(name, least[i]); err != nil {
			return solver.Shard{}, err
		}
	}
	first, last, step, count := v[0], v[1], v[2], v[3]
	if id < first || id > last {
		return solver.Shard{}, usagef("--shard auto: %s is %d but must be %d to %d, by SLURM_ARRAY_TASK_MIN and SLURM_ARRAY_TASK_MAX", s.index, id, first, last)
	}
	if (last-first)/step+1 != count || (last-first)%step != 0 || (id-first)%step != 0 {
		return solver.Shard{}, usagef("--shard auto: the %d ids of this Slurm array, from %d to %d, are not consecutive: "+
			"set %s to the number of shards, to use the id as the index", count, first, last, shardCountVariable)
	}
	return solver.Shard{Index: (id - first) / step, Count: count}, nil
}

// checkedShard returns the shard if the number is one of count, from first on.
func checkedShard(index string, number, first int, countName string, count int) (solver.Shard, error) {
	if number-first >= count {
		return solver.Shard{}, usagef("--shard auto: %s is %d but must be %d to %d, since %s is %d",
			index, number, first, first+count-1, countName, count)
	}
	return solver.Shard{Index: number - first, Count: count}, nil
}

// parseShard reads I/N, or "auto".
func parseShard(s string, lookup func(string) (string, bool)) (solver.Shard, error) {
	if s == "auto" {
		return autoShard(lookup)
	}
	index, count, ok := strings.Cut(s, "/")
	i, err1 := strconv.Atoi(index)
	n, err2 := strconv.Atoi(count)
	if !ok || err1 != nil || err2 != nil || n < 1 {
		return solver.Shard{}, usagef(`--shard %q is neither I/N, such as 0/4, nor "auto"`, s)
	}
	if i < 0 || i >= n {
		return solver.Shard{}, usagef("--shard %s: the index must be 0 to %d", s, n-1)
	}
	return solver.Shard{Index: i, Count: n}, nil
}
