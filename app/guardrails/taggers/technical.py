"""Words with a capital that models of language take for names of people or places."""

NOT_NAMES = frozenset(
    """
    python java javascript typescript rust golang kotlin swift scala perl ruby php lua haskell
    erlang elixir julia matlab fortran cobol bash powershell shell linux ubuntu debian fedora
    centos windows macos android ios unix docker kubernetes jenkins terraform ansible puppet
    chef vagrant helm istio envoy nginx apache tomcat kafka spark hadoop hive airflow redis
    valkey postgres postgresql mysql sqlite mongodb cassandra elasticsearch kibana grafana
    prometheus splunk git github gitlab bitbucket jira confluence slack zoom react angular vue
    svelte django flask fastapi spring laravel rails express node nodejs npm yarn webpack vite
    babel jquery bootstrap tailwind numpy pandas pytorch tensorflow keras sklearn scipy
    matplotlib seaborn jupyter colab anaconda pip conda poetry pydantic sqlalchemy jinja celery
    rabbitmq grpc graphql json yaml xml html css csv sql nosql http https rest api sdk ide cli
    gui url uri uuid jwt oauth ssl tls ssh ftp smtp dns tcp udp ip vpn cdn cpu gpu ram ssd usb
    pdf png jpeg gif svg ascii unicode utf regex excel word powerpoint outlook markdown latex
    photoshop figma canva wordpress shopify chatgpt gpt llm ai openai copilot claude gemini
    llama mistral bert transformer bayes markov gaussian euclidean boolean fibonacci dijkstra
    turing agile scrum kanban devops qa ui ux seo crm erp kpi roi faq diy ok step section
    chapter table figure note example question answer task input output context instruction
    instructions user assistant system prompt title subject summary introduction conclusion
    overview write create generate explain describe give provide make use using translate
    summarize rewrite list please thanks thank hello hi hey dear yes no act imagine suppose
    consider design develop build pedestrians wisdom discipline apt suite street road avenue
    box iban ssn bitcoin ethereum
    """.split()  # noqa: SIM905  # a list of words reads better than a list of strings
)
NOT_ALONE = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday january february march april may
    june july august september october november december spring summer autumn winter christmas
    easter
    """.split()  # noqa: SIM905  # as above
)
"""These are parts of names too."""
