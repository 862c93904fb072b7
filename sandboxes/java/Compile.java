import java.io.IOException;
import java.io.PrintWriter;
import java.lang.reflect.Modifier;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.tools.FileObject;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/**
 * Compiles one Java file into the working directory, whatever its public class is called, and writes `launch`: the
 * arguments with which `java @launch` starts the class that holds `main`. Class names and packages are the submission's
 * choice; javac alone would insist that the file is named after the public class.
 */
final class Compile {
    /** Source text under a name that javac accepts for any class in it. */
    private static final class AnyName extends SimpleJavaFileObject {
        private final Path path;

        AnyName(Path path) {
            super(URI.create("string:///" + path.getFileName()), Kind.SOURCE);
            this.path = path;
        }

        @Override
        public String getName() {
            return path.toString();
        }

        @Override
        public boolean isNameCompatible(String simpleName, Kind kind) {
            return true;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) throws IOException {
            return new String(Files.readAllBytes(path), StandardCharsets.UTF_8);
        }
    }

    /** Remembers the names of the classes that javac writes, in its order. */
    private static final class Recorder extends ForwardingJavaFileManager<JavaFileManager> {
        final List<String> written = new ArrayList<>();

        Recorder(JavaFileManager next) {
            super(next);
        }

        @Override
        public JavaFileObject getJavaFileForOutput(
                Location location, String className, JavaFileObject.Kind kind, FileObject sibling) throws IOException {
            written.add(className);
            return super.getJavaFileForOutput(location, className, kind, sibling);
        }
    }

    public static void main(String[] arguments) throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StandardJavaFileManager files = compiler.getStandardFileManager(null, null, StandardCharsets.UTF_8);
        Recorder recorder = new Recorder(files);
        List<String> options = List.of("-d", ".", "-proc:none", "-nowarn", "-Xlint:none", "-cp", ".");
        PrintWriter errors = new PrintWriter(System.err, true);
        AnyName source = new AnyName(Path.of(arguments[0]));
        if (!compiler.getTask(errors, recorder, null, options, null, List.of(source)).call()) {
            System.exit(1);
        }
        String main = mainClass(recorder.written);
        if (main == null) {
            System.err.println("no class has a method: public static void main(String[])");
            System.exit(1);
        }
        List<String> launch = new ArrayList<>(Files.readAllLines(Path.of("/opt/java/run.options")));
        launch.addAll(List.of("-cp", ".", main));
        Files.write(Path.of("launch"), launch);
        System.exit(0);
    }

    /** The class to start: `Main` if it can be, else a public class, else the first that has a `main`. */
    private static String mainClass(List<String> names) throws IOException {
        String best = null;
        int bestRank = 0;
        URL here = Path.of(".").toUri().toURL();
        try (URLClassLoader loader = new URLClassLoader(new URL[] {here}, null)) {
            for (String name : names) {
                try {
                    Class<?> candidate = Class.forName(name, false, loader);
                    if (!Modifier.isStatic(candidate.getMethod("main", String[].class).getModifiers())) {
                        continue;
                    }
                    int rank = candidate.getSimpleName().equals("Main") ? 3
                            : Modifier.isPublic(candidate.getModifiers()) ? 2 : 1;
                    if (rank > bestRank) {
                        best = name;
                        bestRank = rank;
                    }
                } catch (NoSuchMethodException | ClassNotFoundException | LinkageError notThisOne) {
                    continue;
                }
            }
        }
        return best;
    }
}
