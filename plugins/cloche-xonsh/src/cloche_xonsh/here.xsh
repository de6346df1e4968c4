    import re

    bin_directory = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(bin_directory)
    if expanded := re.search(__CLOCHE_EXPANDED__, root):
        raise ValueError(f"xonsh would expand `{expanded[0]}` in an entry of PATH, so `{root}` cannot be activated")
    pkg_config = os.path.join(root, "lib", "pkgconfig")
    prompt = os.path.basename(root) if __CLOCHE_NAMING__ == "directory" else decoded(__CLOCHE_PROMPT__)
