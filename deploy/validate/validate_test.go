package validate

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/docker/go-units"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const root = "../.."

// build compiles the server with the command of the Dockerfile.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "usergraph")
	command := buildCommand(t)
	cmd := exec.Command("/bin/sh", "-c", strings.Replace(command, "/usergraph", binary, 1))
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return binary
}

// buildCommand is the command of the Dockerfile that compiles the server.
func buildCommand(t *testing.T) (command string) {
	t.Helper()
	for _, stage := range dockerfile(t) {
		for _, c := range stage.Commands {
			if run, ok := c.(*instructions.RunCommand); ok && strings.Contains(run.CmdLine[0], "go build") {
				command = run.CmdLine[0]
			}
		}
	}
	if !strings.Contains(command, "-o /usergraph ") {
		t.Fatalf("the Dockerfile builds with %q", command)
	}
	return command
}

func dockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

// The image has no shell, so nothing in its last stage may need one; and its user is not root.
func TestDockerfile(t *testing.T) {
	stages := dockerfile(t)
	user, healthy := "", false
	for _, c := range stages[len(stages)-1].Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.RunCommand:
			t.Error("runs", c.CmdLine)
		case *instructions.EntrypointCommand:
			if c.PrependShell || !slices.Equal(c.CmdLine, []string{"/usergraph"}) {
				t.Error("entry point", c.CmdLine)
			}
		case *instructions.HealthCheckCommand:
			healthy = slices.Equal(c.Health.Test, []string{"CMD", "/usergraph", "health"})
		}
	}
	if user != "65532:65532" || !healthy {
		t.Errorf("user %q, health command: %t", user, healthy)
	}
	binary := build(t)
	if out, err := exec.Command("ldd", binary).CombinedOutput(); err == nil {
		t.Errorf("the binary is not static: %s", out)
	}
	if out, err := exec.Command(binary, "help").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("health")) {
		t.Errorf("help: %v\n%s", err, out)
	}
}

// .dockerignore keeps the bench out of the image's build, but not the profile that the build names.
func TestTheProfileReachesTheDockerfile(t *testing.T) {
	profile := regexp.MustCompile(`-pgo=(\S+)`).FindStringSubmatch(buildCommand(t))
	if profile == nil {
		t.Fatal("the image is built without a profile")
	}
	ignored, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(ignored))
	folder, _, _ := strings.Cut(profile[1], "/")
	if slices.Index(lines, "!"+profile[1]) < slices.Index(lines, folder) {
		t.Errorf("%s is ignored", profile[1])
	}
}

func TestCompose(t *testing.T) {
	for _, test := range []struct {
		file     string
		profiles []string
		services []string
	}{
		{"docker-compose.yml", nil, []string{"migrate", "postgres", "usergraph"}},
		{"docker-compose.yml", []string{"pgbouncer"}, []string{"migrate", "pgbouncer", "postgres", "usergraph"}},
		{"deploy/compose/compose.yaml", nil, []string{"usergraph"}},
		{"deploy/compose/compose.yaml", []string{"migrate"}, []string{"migrate", "usergraph"}},
	} {
		options, err := cli.NewProjectOptions([]string{filepath.Join(root, test.file)}, cli.WithName("usergraph"),
			cli.WithProfiles(test.profiles), cli.WithEnv([]string{"SUPABASE_URL=https://example.supabase.co"}), cli.WithConsistency(true))
		if err != nil {
			t.Fatal(err)
		}
		project, err := options.LoadProject(t.Context())
		if err != nil {
			t.Errorf("%s %v: %v", test.file, test.profiles, err)
			continue
		}
		names := project.ServiceNames()
		slices.Sort(names)
		if !slices.Equal(names, test.services) {
			t.Errorf("%s %v has %v", test.file, test.profiles, names)
		}
		for _, service := range project.Services {
			for _, volume := range service.Volumes {
				if _, err := os.Stat(volume.Source); volume.Type == "bind" && err != nil {
					t.Errorf("%s: %v", test.file, err)
				}
			}
		}
	}
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithName("usergraph"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := options.LoadProject(t.Context()); err == nil || !strings.Contains(err.Error(), "set it to https://") {
		t.Error("without SUPABASE_URL:", err)
	}
}

// kinds are the types of what Kubernetes is given.
var kinds = map[string]func() any{
	"Namespace":               func() any { return new(core.Namespace) },
	"ConfigMap":               func() any { return new(core.ConfigMap) },
	"Service":                 func() any { return new(core.Service) },
	"Deployment":              func() any { return new(apps.Deployment) },
	"HorizontalPodAutoscaler": func() any { return new(autoscaling.HorizontalPodAutoscaler) },
	"PodDisruptionBudget":     func() any { return new(policy.PodDisruptionBudget) },
	"NetworkPolicy":           func() any { return new(networking.NetworkPolicy) },
	"Job":                     func() any { return new(batch.Job) },
}

// manifests renders a kustomization and decodes it strictly: a field that Kubernetes does not know is an error.
func manifests(t *testing.T, dir string) map[string]any {
	t.Helper()
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "deploy/kubernetes", dir))
	if err != nil {
		t.Fatal(err)
	}
	objects := map[string]any{}
	for _, resource := range rendered.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		kind, ok := kinds[resource.GetKind()]
		if !ok {
			t.Fatalf("%s %s: its type is not in the table of this test", resource.GetKind(), resource.GetName())
		}
		object := kind()
		if err := yaml.UnmarshalStrict(text, object); err != nil {
			t.Errorf("%s %s: %v", resource.GetKind(), resource.GetName(), err)
		}
		objects[resource.GetKind()] = object
	}
	return objects
}

func TestKubernetes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/kubernetes/namespace.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, new(core.Namespace)); err != nil {
		t.Error(err)
	}
	objects := manifests(t, "server")
	if len(objects) != 6 {
		t.Error(len(objects), "kinds of objects")
	}
	deployment := objects["Deployment"].(*apps.Deployment)
	checkPod(t, deployment.Spec.Template.Spec)
	labels := deployment.Spec.Template.Labels
	for what, selector := range map[string]map[string]string{
		"Deployment":          deployment.Spec.Selector.MatchLabels,
		"Service":             objects["Service"].(*core.Service).Spec.Selector,
		"PodDisruptionBudget": objects["PodDisruptionBudget"].(*policy.PodDisruptionBudget).Spec.Selector.MatchLabels,
		"NetworkPolicy":       objects["NetworkPolicy"].(*networking.NetworkPolicy).Spec.PodSelector.MatchLabels,
	} {
		for key, value := range selector {
			if labels[key] != value {
				t.Errorf("%s selects %s=%s, which the pods are not", what, key, value)
			}
		}
	}
	if target := objects["HorizontalPodAutoscaler"].(*autoscaling.HorizontalPodAutoscaler).Spec.ScaleTargetRef; target.Name != deployment.Name {
		t.Error("scales", target.Name)
	}
	if name := deployment.Spec.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name; name != objects["ConfigMap"].(*core.ConfigMap).Name {
		t.Error("settings from", name)
	}
	checkPod(t, manifests(t, "migrate")["Job"].(*batch.Job).Spec.Template.Spec)
}

// checkPod asks for what the namespace enforces, pod-security "restricted", and a file system nobody writes to.
func checkPod(t *testing.T, pod core.PodSpec) {
	t.Helper()
	if pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault || !*pod.SecurityContext.RunAsNonRoot {
		t.Errorf("%+v", pod.SecurityContext)
	}
	for _, container := range pod.Containers {
		security := container.SecurityContext
		if *security.AllowPrivilegeEscalation || !*security.ReadOnlyRootFilesystem || !slices.Equal(security.Capabilities.Drop, []core.Capability{"ALL"}) {
			t.Errorf("%s: %+v", container.Name, security)
		}
	}
}

// fly is as much of fly.toml as we use; Fly.io ignores what it does not know, and so a slip of the pen.
type fly struct {
	KillSignal  string `toml:"kill_signal"`
	KillTimeout string `toml:"kill_timeout"`
	Deploy      struct {
		ReleaseCommand string `toml:"release_command"`
		Strategy       string
	}
	Env         map[string]string
	HTTPService struct {
		InternalPort       int    `toml:"internal_port"`
		ForceHTTPS         bool   `toml:"force_https"`
		AutoStopMachines   string `toml:"auto_stop_machines"`
		AutoStartMachines  bool   `toml:"auto_start_machines"`
		MinMachinesRunning int    `toml:"min_machines_running"`
		Concurrency        struct {
			Type      string
			SoftLimit int `toml:"soft_limit"`
			HardLimit int `toml:"hard_limit"`
		}
		Checks []struct {
			Method, Path, Interval, Timeout string
			GracePeriod                     string `toml:"grace_period"`
		}
	} `toml:"http_service"`
	Metrics struct {
		Port int
		Path string
	}
	VM []struct{ Size, Memory string }
}

func TestFly(t *testing.T) {
	var file fly
	meta, err := toml.DecodeFile(filepath.Join(root, "fly.toml"), &file)
	if err != nil {
		t.Fatal(err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		t.Error("unknown:", unknown)
	}
	if file.Deploy.ReleaseCommand != "migrate" || file.HTTPService.InternalPort != 8080 || file.HTTPService.Checks[0].Path != "/readyz" {
		t.Errorf("%+v", file)
	}
}

// deployments are the limits that each platform puts on the server, and what the server is told of them.
func deployments(t *testing.T) map[string]limits {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "deploy/compose/compose.yaml")}, cli.WithName("usergraph"),
		cli.WithEnv([]string{"SUPABASE_URL=https://example.supabase.co"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	compose := project.Services["usergraph"]
	objects := manifests(t, "server")
	pod := objects["Deployment"].(*apps.Deployment).Spec.Template.Spec
	settings := objects["ConfigMap"].(*core.ConfigMap).Data
	var file fly
	if _, err := toml.DecodeFile(filepath.Join(root, "fly.toml"), &file); err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile(filepath.Join(root, "deploy/systemd/usergraph.service"))
	if err != nil {
		t.Fatal(err)
	}
	inUnit := func(pattern string) string {
		found := regexp.MustCompile("(?m)^" + pattern + "$").FindSubmatch(unit)
		if found == nil {
			t.Fatalf("the unit has no %s", pattern)
		}
		return string(found[1])
	}
	return map[string]limits{
		"compose":    {time.Duration(*compose.StopGracePeriod).String(), strconv.FormatInt(int64(compose.MemLimit), 10), *compose.Environment["GOMEMLIMIT"]},
		"Kubernetes": {fmt.Sprintf("%ds", *pod.TerminationGracePeriodSeconds), pod.Containers[0].Resources.Limits.Memory().String(), settings["GOMEMLIMIT"]},
		"Fly.io":     {file.KillTimeout, file.VM[0].Memory, file.Env["GOMEMLIMIT"]},
		"systemd":    {inUnit("TimeoutStopSec=(.*)"), inUnit("MemoryHigh=(.*)"), inUnit("Environment=GOMEMLIMIT=(.*)")},
	}
}

type limits struct{ grace, memory, goMemory string }

// Whoever stops the server waits longer than it may take by default, and Go's limit leaves a tenth for all else.
func TestLimits(t *testing.T) {
	help, err := exec.Command(build(t), "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	takes := 3 * time.Second // for the last traces
	for _, name := range []string{"DRAIN_DELAY", "DRAIN_TIMEOUT"} {
		found := regexp.MustCompile(name + `\s+(\S+)`).FindSubmatch(help)
		if found == nil {
			t.Fatalf("%s is not in the help:\n%s", name, help)
		}
		takes += duration(t, string(found[1]))
	}
	for platform, l := range deployments(t) {
		if duration(t, l.grace) < takes+5*time.Second {
			t.Errorf("%s gives %s, and stopping takes up to %s", platform, l.grace, takes)
		}
		if part := bytesOf(t, l.goMemory) / bytesOf(t, l.memory); part < 0.85 || part > 0.92 {
			t.Errorf("%s: GOMEMLIMIT is %.2f of the memory", platform, part)
		}
	}
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// bytesOf reads 230MiB, 256Mi, 256mb and 400M alike: a mega is a MiB for all of these platforms.
func bytesOf(t *testing.T, text string) float64 {
	t.Helper()
	n, err := units.RAMInBytes(strings.TrimSuffix(text, "i"))
	if err != nil {
		t.Fatal(err)
	}
	return float64(n)
}

func TestSystemd(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatal("this test needs systemd-analyze: apt-get install systemd")
	}
	binary := build(t)
	for _, name := range []string{"usergraph.service", "usergraph-migrate.service"} {
		text, err := os.ReadFile(filepath.Join(root, "deploy/systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		unit := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(unit, bytes.ReplaceAll(text, []byte("/usr/local/bin/usergraph"), []byte(binary)), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		// In tenths: 10 is fully exposed.
		if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=15", unit).CombinedOutput(); err != nil {
			t.Errorf("%s is more exposed than it need be: %v\n%s", name, err, out)
		}
	}
}
