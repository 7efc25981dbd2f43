package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A release holds everything that is built from one commit.
type release struct {
	source, work, out string
	version           string
	date              time.Time // of all files
	builds            []*build
	modules           []module
	notices           []byte
	pages             []file // manual pages, in section 1
	completions       []file
}

// A file is a file in an archive or a package.
type file struct {
	name string // with slashes, in the archive or package
	mode os.FileMode
	data []byte
}

// read returns a file of the source or a packaging file.
func (r *release) read(name string, mode os.FileMode, as string) (file, error) {
	data, err := os.ReadFile(filepath.Join(r.source, filepath.FromSlash(name)))
	return file{as, mode, data}, err
}

// writePages generates the manual pages and the completions from the commands themselves.
func (r *release) writePages() error {
	dir := filepath.Join(r.work, "man")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.Command("go", "test", "-count=1", "-run=^TestManPages$", "./cmd/gkpow", "-man="+dir, "-man-date="+r.date.UTC().Format(time.DateOnly))
	cmd.Dir = r.source
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("manual pages: %w\n%s", err, output)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) == 0 {
		return fmt.Errorf("the test that writes manual pages wrote none to %s", dir)
	}
	for _, page := range pages {
		data, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		r.pages = append(r.pages, file{filepath.Base(page), 0o644, data})
	}
	own, err := compile(r.source, r.work, runtime.GOOS+"/"+runtime.GOARCH)
	if err != nil {
		return err
	}
	for _, c := range [][2]string{{"bash", "gkpow.bash"}, {"zsh", "_gkpow"}, {"fish", "gkpow.fish"}, {"powershell", "gkpow.ps1"}} {
		data, err := exec.Command(own.path, "completion", c[0]).Output()
		if err != nil {
			return fmt.Errorf("completion %s: %w", c[0], err)
		}
		r.completions = append(r.completions, file{c[1], 0o644, data})
	}
	return nil
}

// writeArchives writes an archive for each target.
func (r *release) writeArchives() error {
	for _, b := range r.builds {
		program, err := os.ReadFile(b.path)
		if err != nil {
			return err
		}
		files := []file{{b.exe(), 0o755, program}, {"THIRD_PARTY_NOTICES", 0o644, r.notices}}
		for _, name := range []string{"LICENSE", "README.md", "docs/CHANGELOG.md"} {
			f, err := r.read(name, 0o644, path.Base(name))
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		for _, f := range r.completions {
			f.name = "completions/" + f.name
			files = append(files, f)
		}
		if b.os != "windows" {
			for _, f := range r.pages {
				f.name = "man/" + f.name
				files = append(files, f)
			}
		}
		if b.os == "linux" {
			for _, name := range units {
				f, err := r.read(".release/files/"+name, 0o644, "systemd/"+name)
				if err != nil {
					return err
				}
				files = append(files, f)
			}
		}
		base := fmt.Sprintf("gkpow_%s_%s_%s", r.version, b.os, b.arch)
		for i := range files {
			files[i].name = base + "/" + files[i].name
		}
		slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
		write, extension := r.tarball, ".tar.gz"
		if b.os == "windows" {
			write, extension = r.zip, ".zip"
		}
		var archive bytes.Buffer
		if err := write(&archive, files); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.out, base+extension), archive.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) tarball(w io.Writer, files []file) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: int64(f.mode), Size: int64(len(f.data)), ModTime: r.date, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		if _, err := t.Write(f.data); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

func (r *release) zip(w io.Writer, files []file) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: r.date.UTC()}
		header.SetMode(f.mode)
		out, err := z.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := out.Write(f.data); err != nil {
			return err
		}
	}
	return z.Close()
}

// checksums is the name of the file with the checksums of all others, in the format of sha256sum.
const checksums = "SHA256SUMS"

func (r *release) writeChecksums() error {
	var sums bytes.Buffer
	entries, err := os.ReadDir(r.out) // by name
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return os.WriteFile(filepath.Join(r.out, checksums), sums.Bytes(), 0o644)
}
