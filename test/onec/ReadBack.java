import com.github._1c_syntax.bsl.mdclasses.ConfigurationExtension;
import com.github._1c_syntax.bsl.mdclasses.MDClass;
import com.github._1c_syntax.bsl.mdclasses.MDClasses;
import com.github._1c_syntax.bsl.mdo.CommonModule;
import com.github._1c_syntax.bsl.mdo.Constant;
import com.github._1c_syntax.bsl.mdo.EventSubscription;
import com.github._1c_syntax.bsl.mdo.InformationRegister;
import com.github._1c_syntax.bsl.mdo.MD;
import com.github._1c_syntax.bsl.mdo.ScheduledJob;
import com.github._1c_syntax.bsl.mdo.SessionParameter;
import com.github._1c_syntax.bsl.types.Qualifier;
import com.github._1c_syntax.bsl.types.ValueType;
import com.github._1c_syntax.bsl.types.ValueTypeDescription;
import com.github._1c_syntax.bsl.types.qualifiers.StringQualifiers;
import java.nio.file.Path;
import java.util.TreeSet;

/** Reads each folder as mdclasses does, and says in a line each what it found: `folder|what|…`. */
public class ReadBack {
  public static void main(String[] folders) {
    for (String folder : folders) {
      TreeSet<String> lines = new TreeSet<>();
      MDClass read = MDClasses.createConfiguration(Path.of(folder));
      lines.add("kind|" + read.getClass().getSimpleName());
      if (read instanceof ConfigurationExtension extension) {
        lines.add("extension|" + extension.getName() + "|" + extension.getNamePrefix() + "|" + extension.getVersion()
            + "|" + extension.getConfigurationExtensionPurpose().nameEn() + "|" + extension.getScriptVariant().nameEn());
        extension.getModules().forEach(module -> lines.add("module|" + module.getModuleType()));
        extension.getChildren().forEach(child -> lines.add(line(child)));
      }
      lines.forEach(line -> System.out.println(folder + "|" + line));
    }
  }

  private static String line(MD child) {
    String start = child.getMdoType().nameEn() + "|" + child.getName() + "|" + child.getUuid() + "|" + child.getSynonym().get("ru");
    if (child instanceof CommonModule m) {
      return start + "|server=" + m.isServer() + ",call=" + m.isServerCall() + ",client=" + m.isClientManagedApplication()
          + ",ordinary=" + m.isClientOrdinaryApplication() + ",external=" + m.isExternalConnection()
          + ",privileged=" + m.isPrivileged() + ",global=" + m.isGlobal() + "|" + m.getReturnValuesReuse().nameEn()
          + "|modules=" + m.getModules().size();
    }
    if (child instanceof ScheduledJob j) {
      return start + "|" + j.getMethodName().getMethodPath() + "|use=" + j.isUse() + ",predefined=" + j.isPredefined()
          + ",restarts=" + j.getRestartCountOnFailure();
    }
    if (child instanceof EventSubscription s) return start + "|" + s.getEvent() + "|" + s.getHandler().getMethodPath() + "|" + type(s.getValueType());
    if (child instanceof Constant c) return start + "|" + type(c.getValueType()) + "|secret=" + c.isPasswordMode();
    if (child instanceof SessionParameter p) return start + "|" + type(p.getValueType());
    if (child instanceof InformationRegister r) {
      StringBuilder text = new StringBuilder(start);
      r.getDimensions().forEach(d -> text.append("|dimension ").append(d.getName()).append(" ").append(type(d.getValueType())));
      r.getResources().forEach(d -> text.append("|resource ").append(d.getName()).append(" ").append(type(d.getValueType())));
      return text.toString();
    }
    return start;
  }

  private static String type(ValueTypeDescription description) {
    StringBuilder text = new StringBuilder();
    for (ValueType type : description.getTypes()) text.append(type.nameEn()).append(" ");
    for (Qualifier qualifier : description.getQualifiers()) {
      if (qualifier instanceof StringQualifiers s) text.append(s.getLength()).append(" ").append(s.getAllowedLength().nameEn());
    }
    return text.toString().trim();
  }
}
