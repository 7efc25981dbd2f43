// Package manifests checks the documents' configuration examples for other systems
// against those systems' own types. It is a separate module, so that gkpow does not
// depend on them.
package manifests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/batch"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// blocks returns all code blocks in a language, by document.
func blocks(t *testing.T, language string) map[string][]string {
	documents, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, documents)
	block := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```\n")
	found := map[string][]string{}
	for _, document := range documents {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		for _, match := range block.FindAllSubmatch(text, -1) {
			name := filepath.Base(document)
			found[name] = append(found[name], string(match[1]))
		}
	}
	return found
}

// kubernetes decodes every Kubernetes object in the documents. An unknown field is an
// error.
func kubernetes(t *testing.T) map[string][]runtime.Object {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{batchv1.AddToScheme, corev1.AddToScheme, appsv1.AddToScheme} {
		require.NoError(t, add(scheme))
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	objects := map[string][]runtime.Object{}
	for document, texts := range blocks(t, "yaml") {
		for _, text := range texts {
			reader := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
			for {
				one, err := reader.Read()
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				if !bytes.Contains(one, []byte("apiVersion:")) {
					continue // belongs to another system
				}
				object, _, err := decoder.Decode(one, nil, nil)
				require.NoError(t, err, "%s:\n%s", document, one)
				objects[document] = append(objects[document], object)
			}
		}
	}
	return objects
}

func TestKubernetes(t *testing.T) {
	objects := kubernetes(t)
	require.NotEmpty(t, objects["scaling.md"])
	for document, objects := range objects {
		for _, object := range objects {
			meta, ok := object.(interface{ GetName() string })
			require.True(t, ok)
			require.Empty(t, validation.NameIsDNSSubdomain(meta.GetName(), false), "%s: the name %q", document, meta.GetName())
			if pod := podSpec(object); pod != nil {
				checkPod(t, document, pod)
			}
		}
	}
}

// The parts of the side-car in docs/agent.md refer to each other correctly.
func TestKubernetesSidecar(t *testing.T) {
	var pod *corev1.PodSpec
	for _, o := range kubernetes(t)["agent.md"] {
		if d, ok := o.(*appsv1.Deployment); ok {
			require.Equal(t, d.Spec.Selector.MatchLabels, d.Spec.Template.Labels)
			pod = &d.Spec.Template.Spec
		}
	}
	require.NotNil(t, pod)
	agent, program := pod.InitContainers[0], pod.Containers[0]
	require.Equal(t, corev1.ContainerRestartPolicyAlways, *agent.RestartPolicy)
	require.Equal(t, []string{"/gkpow", "agent", "status"}, agent.StartupProbe.Exec.Command)
	require.True(t, *agent.SecurityContext.ReadOnlyRootFilesystem)
	variables := map[string]string{}
	for _, v := range slices.Concat(agent.Env, program.Env) {
		variables[v.Name] = v.Value
	}
	args := strings.Join(agent.Args, " ")
	require.Contains(t, args, "--socket "+variables["GKPOW_AGENT_SOCKET"])
	require.Contains(t, args, "--write "+variables["GKCAPTCHA_TOKEN_FILE"])
	for _, path := range []string{variables["GKPOW_AGENT_SOCKET"], variables["GKCAPTCHA_TOKEN_FILE"], variables["GKCAPTCHA_SECRET_KEY_FILE"]} {
		require.True(t, slices.ContainsFunc(agent.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == filepath.Dir(path) }), path)
	}
	require.NotEqual(t, "/gkpow", agent.VolumeMounts[0].MountPath, "the volume would hide the program in the image")
}

// The loader checks the schema of the Compose Specification and references.
func TestCompose(t *testing.T) {
	found := 0
	for document, texts := range blocks(t, "yaml") {
		for _, text := range texts {
			if !strings.HasPrefix(text, "services:") {
				continue
			}
			found++
			project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
				WorkingDir:  t.TempDir(),
				ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: []byte(text)}},
				Environment: types.Mapping{"GKCAPTCHA_SITE_KEY": "pk_live_x"},
			}, func(o *loader.Options) { o.SetProjectName("gkpow", true) })
			require.NoError(t, err, document)
			agent, program := project.Services["gkpow"], project.Services["importer"]
			args := strings.Join(agent.Command, " ")
			require.Contains(t, args, "--socket "+*agent.Environment["GKPOW_AGENT_SOCKET"])
			require.Contains(t, args, "--write "+*program.Environment["GKCAPTCHA_TOKEN_FILE"])
			require.Equal(t, agent.User, program.User)
			require.Equal(t, "service_healthy", program.DependsOn["gkpow"].Condition)
		}
	}
	require.Equal(t, 1, found)
}

func podSpec(object runtime.Object) *corev1.PodSpec {
	switch o := object.(type) {
	case *corev1.Pod:
		return &o.Spec
	case *appsv1.Deployment:
		return &o.Spec.Template.Spec
	case *batchv1.Job:
		return &o.Spec.Template.Spec
	}
	return nil
}

// checkPod checks the references inside a pod, which the types do not cover.
func checkPod(t *testing.T, document string, pod *corev1.PodSpec) {
	var volumes []string
	for _, v := range pod.Volumes {
		volumes = append(volumes, v.Name)
	}
	require.NotEmpty(t, pod.Containers, document)
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		require.NotEmpty(t, c.Image, "%s: %s", document, c.Name)
		require.Empty(t, validation.NameIsDNSLabel(c.Name, false), "%s: %s", document, c.Name)
		for _, m := range c.VolumeMounts {
			require.Contains(t, volumes, m.Name, "%s: %s mounts a volume that is not there", document, c.Name)
		}
		for name, request := range c.Resources.Requests {
			limit, ok := c.Resources.Limits[name]
			require.True(t, !ok || request.Cmp(limit) <= 0, "%s: %s requests more %s than it may have", document, c.Name, name)
		}
	}
}

// The test follows the rules for success policies and pod failure policies in
// https://kubernetes.io/docs/concepts/workloads/controllers/job/.
func TestKubernetesIndexedJob(t *testing.T) {
	i := slices.IndexFunc(kubernetes(t)["scaling.md"], func(o runtime.Object) bool { _, ok := o.(*batchv1.Job); return ok })
	require.GreaterOrEqual(t, i, 0)
	job := kubernetes(t)["scaling.md"][i].(*batchv1.Job)
	spec, pod := job.Spec, job.Spec.Template.Spec

	require.Equal(t, batchv1.IndexedCompletion, *spec.CompletionMode)
	require.Equal(t, *spec.Completions, *spec.Parallelism, "all parts must be searched at the same time")
	require.Len(t, spec.SuccessPolicy.Rules, 1)
	require.EqualValues(t, 1, *spec.SuccessPolicy.Rules[0].SucceededCount)
	require.Nil(t, spec.SuccessPolicy.Rules[0].SucceededIndexes, "success of any part must suffice")

	require.Equal(t, corev1.RestartPolicyNever, pod.RestartPolicy, "a pod failure policy requires it")
	require.NotNil(t, spec.BackoffLimitPerIndex, "FailIndex needs that")
	require.Nil(t, spec.BackoffLimit, "a limit would end all parts")
	container := pod.Containers[0]
	none := spec.PodFailurePolicy.Rules[0]
	require.Equal(t, batchv1.PodFailurePolicyActionFailIndex, none.Action)
	require.Equal(t, container.Name, *none.OnExitCodes.ContainerName)
	require.Equal(t, batchv1.PodFailurePolicyOnExitCodesOpIn, none.OnExitCodes.Operator)
	require.Contains(t, none.OnExitCodes.Values, int32(9))
	require.True(t, slices.IsSorted(none.OnExitCodes.Values) && !slices.Contains(none.OnExitCodes.Values, 0))

	require.Contains(t, strings.Join(container.Args, " "), "--shard auto")
	require.Len(t, container.Env, 1)
	require.Equal(t, corev1.EnvVar{Name: "GKPOW_SHARD_COUNT", Value: "8"}, container.Env[0])
	require.EqualValues(t, 8, *spec.Completions)
}

func TestAWSBatch(t *testing.T) {
	definitions := 0
	for document, texts := range blocks(t, "json") {
		for _, text := range texts {
			if !strings.Contains(text, "jobDefinitionName") {
				continue
			}
			definitions++
			var input batch.RegisterJobDefinitionInput
			decoder := json.NewDecoder(strings.NewReader(text))
			decoder.DisallowUnknownFields()
			require.NoError(t, decoder.Decode(&input), document)
			require.Contains(t, input.Type.Values(), input.Type)
			for _, c := range input.PlatformCapabilities {
				require.Contains(t, c.Values(), c)
			}
			for _, r := range input.ContainerProperties.ResourceRequirements {
				require.Contains(t, r.Type.Values(), r.Type)
			}
			var exits []string
			for _, e := range input.RetryStrategy.EvaluateOnExit {
				if e.OnExitCode != nil && strings.EqualFold(string(e.Action), "EXIT") {
					exits = append(exits, *e.OnExitCode)
				}
			}
			require.Contains(t, exits, "9", "a part without a solution must not be searched again")
		}
	}
	require.Equal(t, 1, definitions)
}
