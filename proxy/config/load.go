package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds the file: thousands of buckets fit, and a wrong path to something huge is refused at once.
const maxFile = 1 << 20

// maxDepth bounds nesting, which the parser follows by recursion. The schema needs less than 10.
const maxDepth = 64

// Load reads the file at path, with env (os.LookupEnv) for the variables that it names. Its error is a *Problems.
func Load(path string, env func(string) (string, bool)) (*Config, error) {
	src, err := read(path)
	if err != nil {
		return nil, &Problems{{File: path, Message: err.Error()}}
	}
	return Parse(path, src, env)
}

// read returns the file's content, or an error that says what to do.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the file: %w; name it with -config", cause(err))
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the file: %w; name a readable one with -config", cause(err))
	}
	if len(src) > maxFile {
		return nil, errors.New("is larger than 1 MiB; name a configuration file with -config")
	}
	return src, nil
}

// cause drops the operation and the path from err; the problem names the file already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// Parse reads the configuration src, called name in problems, with env in place of the environment. Its error is a
// *Problems with everything that is wrong; only a syntax error hides what comes after it.
func Parse(name string, src []byte, env func(string) (string, bool)) (*Config, error) {
	root, problem := syntax(bytes.TrimPrefix(src, []byte("\uFEFF"))) // editors on Windows write a byte order mark
	if problem != nil {
		problem.File = name
		return nil, &Problems{*problem}
	}
	c := Default()
	r := decode(root, c, env)
	validate(c, r)
	if len(r.problems) > 0 {
		r.problems.sort()
		for i := range r.problems {
			r.problems[i].File = name
		}
		return nil, &r.problems
	}
	return c, nil
}

// syntax parses src, which must be one YAML document, and returns its root.
func syntax(src []byte) (ast.Node, *Problem) {
	if !utf8.Valid(src) {
		return nil, &Problem{Message: "is not UTF-8 text; save it as UTF-8"}
	}
	tokens := lexer.Tokenize(string(src))
	if tk := tooDeep(tokens); tk != nil {
		return nil, problemAt(tk, "nests too deep; the configuration needs fewer than 10 levels")
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if e, ok := errors.AsType[yaml.Error](err); ok {
			return nil, problemAt(e.GetToken(), "is not YAML: "+e.GetMessage()+"; correct the indentation or quoting here")
		}
		return nil, &Problem{Message: "is not YAML; correct it"}
	}
	return onlyDocument(file)
}

// onlyDocument returns the root of the file's one document.
func onlyDocument(file *ast.File) (ast.Node, *Problem) {
	var root ast.Node
	for i, doc := range file.Docs {
		switch _, directive := doc.Body.(*ast.DirectiveNode); {
		case directive:
			return nil, problemAt(doc.Body.GetToken(), "is a YAML directive, which are not supported; remove this line")
		case i > 0 && doc.Start != nil:
			return nil, problemAt(doc.Start, "a second YAML document begins here; keep one document in the file")
		case i > 0 && doc.Body != nil:
			return nil, problemAt(doc.Body.GetToken(), "a second YAML document begins here; keep one document in the file")
		case i == 0:
			root = doc.Body
		}
	}
	if root == nil {
		return nil, &Problem{Message: "is empty; write at least one bucket under buckets"}
	}
	return root, nil
}

// tooDeep returns the first token that is nested deeper than maxDepth by brackets, or by dashes on one line.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, dashes, line := 0, 0, 0
	for _, tk := range tokens {
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType:
			if tk.Position.Line != line {
				dashes, line = 0, tk.Position.Line
			}
			dashes++
		}
		if max(brackets, dashes) > maxDepth {
			return tk
		}
	}
	return nil
}
